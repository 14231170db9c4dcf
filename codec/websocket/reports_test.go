package websocket_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// The tests in this file cover problems reported by users of similar libraries.

// A message that was not sent after all, or was sent uncompressed, is not in the window of either side
// (sockudo/sockudo-ws 14). Messages that find no room, too short ones, and ones whose ctx ends come between others.
func TestUnsentMessagesAreNotReferredTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &websocket.Deflate{From: 20, Level: 9, Takeover: true}
		agreed := d.Accept([]string{"permessage-deflate"})
		conn, peer := newRaw(t, false, &websocket.Config{Deflate: d, Extension: agreed})
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		past := &windowReader{size: 1 << 15}
		var accepted []string
		for round := range 3 {
			for i := 0; ; i++ { // until there is no more room
				m := fmt.Sprintf("round %d, message %d, %s", round, i, sentences(3000+i))
				if i%3 == 0 {
					m = fmt.Sprint("short ", i)
				}
				ok, err := conn.Out.TrySend(websocket.Text(m))
				require.NoError(t, err)
				if !ok {
					require.ErrorIs(t, conn.Out.Send(ended, websocket.Text(m+"x")), context.Canceled)
					break
				}
				accepted = append(accepted, m)
			}
			require.Greater(t, len(accepted), 20)
			for _, want := range accepted {
				f := peer.next()
				got := f.Payload
				if require.Equal(t, len(want) >= 20, f.RSV1); f.RSV1 {
					var err error
					got, err = past.message(f.Payload)
					require.NoError(t, err)
				}
				require.True(t, want == string(got), "%.60q and not %.60q", want, got)
			}
			accepted = nil
			synctest.Wait()
		}
	})
}

// The second compressed message of a client refers to the first, although the server was asked to forget its own
// (oven-sh/bun 33003).
func TestOnlyTheClientMayRemember(t *testing.T) {
	offer := "permessage-deflate; server_no_context_takeover"
	client, server := negotiated(t, &websocket.Deflate{Takeover: true}, &websocket.Deflate{Takeover: true}, offer)
	ctx := within(t)
	for i := range 5 {
		m := fmt.Sprintf("message %d: %s", i, strings.Repeat("abcdefghijklmnopqrstuvwxyz", 40))
		for _, way := range [][2]*websocket.Conn{{client, server}, {server, client}} {
			require.NoError(t, way[0].Out.Send(ctx, websocket.Text(m)))
			got, err := way[1].In.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, m, got.String())
		}
	}
}

// Only one Close frame is sent, whatever else ends the connection meanwhile (denoland/fastwebsockets 116).
func TestOneCloseFrameIsSent(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		var closers sync.WaitGroup
		for code := range websocket.Code(4) {
			closers.Go(func() { _ = conn.CloseWith(4000+code, "") })
			closers.Go(func() { _ = conn.Out.Close() })
			closers.Go(func() { _ = conn.Close() })
		}
		f := peer.next()
		require.Equal(t, websocket.OpClose, f.Opcode)
		peer.send(closeFrame(1000, ""), closeFrame(1001, ""))
		require.NoError(t, peer.conn.Out.Close())
		peer.expectEnd()
		closers.Wait()
	})
}

// Many goroutines send while a message goes out in parts and pings are answered (gorilla/websocket 828): each message
// arrives whole.
func TestManySendersShareAConnection(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		const senders, each = 8, 20
		var sending sync.WaitGroup
		for s := range senders {
			sending.Go(func() {
				for i := range each {
					m := strings.Repeat(fmt.Sprintf("%d.%d ", s, i), 1+rand.IntN(3000))
					if i%5 > 0 {
						require.NoError(t, conn.Out.Send(peer.ctx, websocket.Text(m)))
						continue
					}
					parts, err := conn.SendParts(peer.ctx, websocket.TextMessage)
					require.NoError(t, err)
					for len(m) > 0 {
						n := min(len(m), 1000)
						require.NoError(t, parts.Send(peer.ctx, []byte(m[:n])))
						m = m[n:]
					}
					require.NoError(t, parts.Close())
				}
			})
		}
		sending.Go(func() {
			for range 20 {
				_, err := conn.Ping(peer.ctx)
				require.NoError(t, err)
			}
		})
		got := map[string]int{}
		pings := 0
		var message string
		for messages := 0; messages < senders*each || pings < 20; {
			switch f := peer.next(); {
			case f.Opcode == websocket.OpPing:
				pings++
				peer.send(frame(fin, websocket.OpPong, string(f.Payload)))
			default:
				require.Equal(t, message == "", f.Opcode == websocket.OpText, "no message begins within another")
				if message += string(f.Payload); f.Fin {
					name, _, _ := strings.Cut(message, " ")
					require.Zero(t, strings.Count(message, name+" ")*(len(name)+1)-len(message), "%.40q", message)
					got[name]++
					message = ""
					messages++
				}
			}
		}
		sending.Wait()
		require.Len(t, got, senders*each)
	})
}

// A peer that is disconnected because it is slow learns why, behind what was sent before, if it reads on (websockets/ws
// 1558): senders that wait return at once.
func TestSlowPeerLearnsWhyItIsDisconnected(t *testing.T) {
	for name, cfg := range map[string]*websocket.Config{
		"plain":      nil,
		"remembered": {Deflate: &websocket.Deflate{From: 1 << 30, Takeover: true}, Extension: &websocket.Extension{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := newRaw(t, false, cfg)
				cause := &websocket.CloseError{Code: websocket.TryAgainLater, Reason: "too slow"}
				accepted := 0
				sent := make(chan error, 1)
				go func() {
					for {
						if err := conn.Out.Send(t.Context(), websocket.Binary(make([]byte, 10<<10))); err != nil {
							sent <- err
							return
						}
						accepted++
					}
				}()
				synctest.Wait()
				require.Empty(t, sent, "the peer takes no more")
				conn.Abort(cause)
				require.Equal(t, error(cause), <-sent)
				require.Greater(t, accepted, 5)
				for range accepted {
					require.Len(t, peer.next().Payload, 10<<10)
				}
				require.Equal(t, "too slow", peer.expectClose(websocket.TryAgainLater))
				peer.send(closeFrame(1013, ""))
				require.NoError(t, peer.conn.Out.Close())
				peer.expectEnd()
				<-conn.Done()
			})
		})
	}
}

// A peer that does not read on is cut off after the linger, or by a second Abort.
func TestPeerThatReadsNothingIsCutOff(t *testing.T) {
	for _, again := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			conn, _ := newRaw(t, false, nil)
			for ok := true; ok; {
				var err error
				ok, err = conn.Out.TrySend(websocket.Binary(make([]byte, 10<<10)))
				require.NoError(t, err)
			}
			begin := time.Now()
			conn.Abort(&websocket.CloseError{Code: websocket.TryAgainLater})
			if again {
				conn.Abort(nil)
			}
			<-conn.Done()
			took := time.Since(begin)
			if again {
				require.Zero(t, took)
			} else {
				require.Less(t, (took - 5*time.Second).Abs(), 2*time.Second)
			}
		})
	}
}
