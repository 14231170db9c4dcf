package websocket_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// bubble runs f in a synctest bubble, in both roles.
func bubble(t *testing.T, f func(t *testing.T, client bool)) {
	for name, client := range map[string]bool{"server": false, "client": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, client) })
		})
	}
}

func TestPingsAreAnsweredWhileNobodyReceives(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		peer.send(text("one"), frame(fin, websocket.OpPing, "a"), text("two"), frame(fin, websocket.OpPing, "b"))
		peer.expect(websocket.OpPong, "a")
		peer.expect(websocket.OpPong, "b")
		for _, want := range []string{"one", "two"} {
			m, err := conn.In.Recv(peer.ctx)
			require.NoError(t, err)
			require.Equal(t, want, m.String())
		}
	})
}

func TestReadingAheadStopsAt16Messages(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, &websocket.Config{PingAfter: -1})
		for i := range 20 {
			peer.send(text(fmt.Sprint(i)))
			if i == 10 || i == 18 {
				peer.send(frame(fin, websocket.OpPing, fmt.Sprint("ping ", i)))
			}
		}
		peer.expect(websocket.OpPong, "ping 10")
		short, cancel := context.WithTimeout(peer.ctx, time.Minute)
		defer cancel()
		_, err := peer.conn.In.Recv(short)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the ping behind the 19th message was answered")
		for i := range 20 {
			m, err := conn.In.Recv(peer.ctx)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), m.String())
		}
		peer.expect(websocket.OpPong, "ping 18")
	})
}

func TestReadingAheadStopsAt64KiB(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, &websocket.Config{PingAfter: -1})
		sent := make(chan error, 1)
		go func() {
			p := peer.bytes(text(strings.Repeat("x", 1<<20)))
			sent <- peer.conn.Out.Send(peer.ctx, p)
		}()
		time.Sleep(time.Minute)
		read := conn.Below().Stats().BytesIn
		require.Greater(t, read, int64(60<<10))
		require.Less(t, read, int64(200<<10))
		m, err := conn.In.Recv(peer.ctx)
		require.NoError(t, err)
		require.Len(t, m.Data, 1<<20)
		require.NoError(t, <-sent)
	})
}

func TestSilentPeerIsPingedAndThenAborted(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		began := time.Now()
		ended := make(chan error, 1)
		go func() {
			_, err := conn.In.Recv(context.Background())
			ended <- err
		}()
		require.Equal(t, websocket.OpPing, peer.next().Opcode)
		require.Equal(t, websocket.DefaultPingAfter, time.Since(began))
		err := <-ended
		require.Equal(t, websocket.DefaultPingAfter+websocket.DefaultPongWithin, time.Since(began))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var end *websocket.CloseError
		require.ErrorAs(t, err, &end)
		require.Equal(t, websocket.Abnormal, end.Code)
		<-conn.Done()
	})
}

func TestAnyByteCountsAsLife(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		go func() { _, _ = conn.In.Recv(context.Background()) }()
		p := peer.bytes(text(strings.Repeat("x", 20)))
		for i := range 10 {
			time.Sleep(40 * time.Second)
			require.NoError(t, conn.Out.Err(), "step %d", i)
			peer.write(p[i : i+1])
		}
	})
}

// TestMessagesThatAreLentCountAsLife has pipeline.Connect receive them.
func TestMessagesThatAreLentCountAsLife(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		_, peer := newEcho(t, client, nil)
		for range 10 {
			peer.send(text("x"))
			peer.expect(websocket.OpText, "x") // and not a ping
			time.Sleep(20 * time.Second)
		}
	})
}

// TestBusyReceiverSuspendsPongTimeouts sends more than is read ahead, so the pong cannot be read.
func TestBusyReceiverSuspendsPongTimeouts(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		for range 17 {
			peer.send(text("x"))
		}
		time.Sleep(time.Hour)
		require.NoError(t, conn.Out.Err())
		for range 17 {
			_, err := conn.In.Recv(peer.ctx)
			if err != nil {
				require.NoError(t, conn.Out.Err())
			}
		}
		require.NoError(t, conn.Out.Send(context.Background(), websocket.Text("alive")))
	})
}

func TestPingTellsTheRoundTripAlsoWhileNobodyReceives(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		took := make(chan time.Duration, 3)
		ping := func() {
			d, err := conn.Ping(peer.ctx)
			require.NoError(t, err)
			took <- d
		}
		for range 3 {
			go ping()
			synctest.Wait()
		}
		first, second, third := peer.next(), peer.next(), peer.next()
		require.NotEqual(t, first.Payload, second.Payload)
		time.Sleep(time.Second)
		peer.send(frame(fin, websocket.OpPong, string(first.Payload)))
		require.Equal(t, time.Second, <-took)
		time.Sleep(time.Second)
		peer.send(frame(fin, websocket.OpPong, string(third.Payload))) // answers the second too
		require.Equal(t, 2*time.Second, <-took)
		require.Equal(t, 2*time.Second, <-took)

		ctx, cancel := context.WithTimeout(peer.ctx, time.Second)
		defer cancel()
		_, err := conn.Ping(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, conn.Out.Err())
	})
}

func TestUnansweredCloseIsForcedAfterCloseTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, _ := newRaw(t, client, nil)
		began := time.Now()
		require.NoError(t, conn.CloseWith(1000, ""))
		require.Equal(t, websocket.DefaultCloseTimeout, time.Since(began))

		conn, peer := newRaw(t, client, nil)
		began = time.Now()
		require.NoError(t, conn.Out.Close())
		_, err := conn.In.Recv(peer.ctx)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, websocket.DefaultCloseTimeout, time.Since(began))
	})
}

// TestOnePongWaitsForRoom uses a peer that sends pings and reads nothing.
func TestOnePongWaitsForRoom(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		go func() { _, _ = conn.In.Recv(context.Background()) }()
		filled := 0
		for {
			ok, err := conn.Out.TrySend(websocket.Binary(make([]byte, 8<<10)))
			require.NoError(t, err)
			synctest.Wait()
			if !ok {
				break
			}
			filled++
		}
		for i := range 1000 {
			peer.send(frame(fin, websocket.OpPing, fmt.Sprint(i)))
		}
		synctest.Wait()
		for range filled {
			require.Equal(t, websocket.OpBinary, peer.next().Opcode)
		}
		peer.expect(websocket.OpPong, "999")
		peer.send(frame(fin, websocket.OpPing, "next"))
		peer.expect(websocket.OpPong, "next")
	})
}

// TestPeerThatReadsSlowlyIsAlive has a peer that is sent more than it can take, so that there is no room for a ping for
// minutes. It reads, and answers the pings that come, but sends nothing else. One that stops reading is aborted.
func TestPeerThatReadsSlowlyIsAlive(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := newRaw(t, client, nil)
			sent := make(chan error, 1)
			go func() {
				for {
					if err := conn.Out.Send(t.Context(), websocket.Binary(make([]byte, 20<<10))); err != nil {
						sent <- err
						return
					}
				}
			}()
			for range 150 {
				time.Sleep(4 * time.Second)
				if f := peer.next(); f.Opcode == websocket.OpPing {
					peer.send(frame(fin, websocket.OpPong, string(f.Payload)))
				}
				require.Empty(t, sent, "it is alive")
			}
			begin := time.Now()
			require.ErrorIs(t, <-sent, os.ErrDeadlineExceeded)
			require.LessOrEqual(t, time.Since(begin), time.Minute)
		})
	})
}
