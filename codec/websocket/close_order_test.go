package websocket_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
)

// The steps of a conversation.
const (
	sends      = 's' // TrySend
	channels   = 'c' // a send on Out.C
	begins     = 'p' // a message in parts begins
	ends       = 'q' // it ends
	receives   = 'r' // Recv of a message that has arrived
	reads      = 't' // time passes until reading ahead starts
	peerSends  = 'm'
	peerCloses = 'C' // with 1001
	closes     = 'X' // Out.Close
)

// TestEveryOrderOfClosingLosesNothingAccepted runs every sequence of up to four steps that includes the peer's Close frame.
// Everything Out accepted arrives in order before the only Close frame, In yields what the peer has sent, and the stream
// ends without a reset.
func TestEveryOrderOfClosingLosesNothingAccepted(t *testing.T) {
	most := 4
	if raceEnabled {
		most = 3
	}
	roles(t, func(t *testing.T, client bool) {
		each([]rune{sends, channels, begins, ends, receives, reads, peerSends, peerCloses, closes}, most, func(steps string) {
			if !possible(steps) {
				return
			}
			synctest.Test(t, func(t *testing.T) {
				d := newDialogue(t, client, steps)
				for _, step := range steps {
					d.step(step)
				}
				d.finish()
			})
			if t.Failed() {
				t.FailNow()
			}
		})
	})
}

// each calls f with every string of 1 to n steps.
func each(letters []rune, n int, f func(string)) {
	words := []string{""}
	for range n {
		var longer []string
		for _, w := range words {
			for _, l := range letters {
				longer = append(longer, w+string(l))
			}
		}
		for _, w := range longer {
			f(w)
		}
		words = longer
	}
}

// possible reports whether steps can run in that order and end the connection.
func possible(steps string) bool {
	if strings.Count(steps, string(peerCloses)) != 1 || strings.Count(steps, string(closes)) > 1 {
		return false
	}
	inParts, waiting := false, 0
	for i, step := range steps {
		switch step {
		case begins, ends:
			if inParts == (step == begins) {
				return false
			}
			inParts = !inParts
		case peerSends:
			if strings.ContainsRune(steps[:i], peerCloses) {
				return false
			}
			waiting++
		case receives:
			if waiting--; waiting < 0 {
				return false
			}
		}
	}
	return true
}

// dialogue is a connection, its peer, and what each must receive.
type dialogue struct {
	t     *testing.T
	steps string
	conn  *websocket.Conn
	peer  *raw
	next  int

	sent, onChannel []string // accepted
	parts           *chanio.Sink[[]byte]
	partsText       string
	toCome          []string // messages of the peer
	received        bool
	peerClosed      bool
	closed          chan error // result of Out.Close, once it was called

	frames chan []websocket.Frame // received by the peer
}

func newDialogue(t *testing.T, client bool, steps string) *dialogue {
	d := &dialogue{t: t, steps: steps, frames: make(chan []websocket.Frame, 1)}
	d.conn, d.peer = newRaw(t, client, &websocket.Config{PingAfter: -1})
	go func() {
		var all []websocket.Frame
		defer func() { d.frames <- all }()
		for {
			f, err := codec.Recv(context.Background(), d.peer.conn.In, websocket.Frames(1<<20))
			if err != nil {
				all = append(all, websocket.Frame{Payload: []byte(err.Error()), Fin: err == io.EOF})
				return
			}
			all = append(all, f)
		}
	}()
	return d
}

func (d *dialogue) text() string {
	d.next++
	return strconv.Itoa(d.next)
}

// open reports whether Out must accept.
func (d *dialogue) open() bool {
	return d.closed == nil && (!d.peerClosed || d.received || len(d.toCome) > 0)
}

func (d *dialogue) step(step rune) {
	switch s := d.text(); step {
	case sends:
		ok, err := d.conn.Out.TrySend(websocket.Text(s))
		if ok {
			d.sent = append(d.sent, s)
		} else if d.open() && d.parts == nil {
			require.Fail(d.t, "refused", "%s: %v", d.steps, err)
		}
		if d.closed != nil {
			require.Error(d.t, err, d.steps)
		}
	case channels:
		if d.closed == nil && (!d.peerClosed || d.received) {
			d.onChannel = append(d.onChannel, s)
		}
		d.conn.Out.C(d.t.Context()) <- websocket.Text(s)
	case begins:
		parts, err := d.conn.SendParts(d.t.Context(), websocket.TextMessage)
		if err != nil {
			require.False(d.t, d.open(), d.steps)
			return
		}
		d.parts = parts
		require.NoError(d.t, d.parts.Send(d.t.Context(), []byte(s)), d.steps)
		d.partsText = s
	case ends:
		d.endParts()
	case receives:
		m, err := d.conn.In.Recv(d.t.Context())
		require.NoError(d.t, err, d.steps)
		require.Equal(d.t, d.toCome[0], m.String(), d.steps)
		d.toCome, d.received = d.toCome[1:], true
	case reads:
		time.Sleep(300 * time.Millisecond)
	case peerSends:
		d.peer.send(text(s))
		d.toCome = append(d.toCome, s)
	case peerCloses:
		d.peer.send(closeFrame(1001, ""))
		d.peerClosed = true
	case closes:
		closed := make(chan error, 1)
		go func() { closed <- d.conn.Out.Close() }()
		d.closed = closed
	}
	synctest.Wait()
}

func (d *dialogue) endParts() {
	if d.parts == nil {
		return
	}
	require.NoError(d.t, d.parts.Close(), d.steps)
	d.parts = nil
	d.sent = append(d.sent, d.partsText)
}

// finish receives the rest, closes, and checks everything that arrived.
func (d *dialogue) finish() {
	d.endParts()
	for _, want := range d.toCome {
		m, err := d.conn.In.Recv(d.t.Context())
		require.NoError(d.t, err, d.steps)
		require.Equal(d.t, want, m.String(), d.steps)
	}
	_, err := d.conn.In.Recv(d.t.Context())
	require.Equal(d.t, io.EOF, err, d.steps)
	if d.closed == nil {
		require.NoError(d.t, d.conn.Out.Close(), d.steps)
	} else {
		require.NoError(d.t, <-d.closed, d.steps)
	}
	require.NoError(d.t, d.peer.conn.Out.Close())
	<-d.conn.Done()
	d.check(<-d.frames)
}

// check checks what the peer received.
func (d *dialogue) check(frames []websocket.Frame) {
	say := func() string {
		return fmt.Sprintf("%s: sent %v, on the channel %v, arrived %v", d.steps, d.sent, d.onChannel, frames)
	}
	end := len(frames) - 1
	require.True(d.t, frames[end].Fin, "the end of the stream: %s", say())
	require.Equal(d.t, websocket.OpClose, frames[end-1].Opcode, say())
	code := int(frames[end-1].Payload[0])<<8 | int(frames[end-1].Payload[1])
	if d.closed == nil {
		require.Equal(d.t, 1001, code, say())
	} else {
		require.Contains(d.t, []int{1000, 1001}, code, say())
	}
	var messages []string
	whole := true
	for _, f := range frames[:end-1] {
		require.Equal(d.t, whole, f.Opcode == websocket.OpText, say())
		if whole {
			messages = append(messages, string(f.Payload))
		}
		whole = f.Fin
	}
	require.True(d.t, whole, say())
	split := func(of []string) (some []string) {
		for _, m := range messages {
			if slices.Contains(of, m) {
				some = append(some, m)
			}
		}
		return some
	}
	require.Equal(d.t, d.sent, split(d.sent), say())
	require.Equal(d.t, d.onChannel, split(d.onChannel), say())
}

// TestRepliesThatAreLateOnAChannelArrive lets the channel of In reach the end long before its consumer does.
func TestRepliesThatAreLateOnAChannelArrive(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := newRaw(t, client, nil)
			go func() {
				out := conn.Out.C(t.Context())
				for m := range conn.In.C(t.Context()) {
					time.Sleep(400 * time.Millisecond)
					out <- m
				}
				close(out)
			}()
			for i := range 10 {
				peer.send(text(strconv.Itoa(i)))
			}
			peer.send(closeFrame(1000, ""))
			for i := range 10 {
				peer.expect(websocket.OpText, strconv.Itoa(i))
			}
			peer.expectClose(1000)
			peer.expectEnd()
			require.NoError(t, peer.conn.Out.Close())
			<-conn.Done()
		})
	})
}

// TestCloseIsAnsweredWhenNobodyReplies measures when the answer is sent: at once if nobody receives, otherwise after the
// pause, and after CloseTimeout at the latest.
func TestCloseIsAnsweredWhenNobodyReplies(t *testing.T) {
	for name, c := range map[string]struct {
		receives bool
		every    time.Duration // between replies
		want     time.Duration
	}{
		"nobody receives":   {want: 250 * time.Millisecond},
		"received and idle": {receives: true, want: time.Second},
		"replies for ever":  {receives: true, every: 700 * time.Millisecond, want: websocket.DefaultCloseTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			roles(t, func(t *testing.T, client bool) {
				synctest.Test(t, func(t *testing.T) {
					conn, peer := newRaw(t, client, nil)
					if c.receives {
						peer.send(text("hello"))
						_, err := conn.In.Recv(t.Context())
						require.NoError(t, err)
					}
					begin := time.Now()
					peer.send(closeFrame(1000, ""))
					if c.receives {
						_, err := conn.In.Recv(t.Context())
						require.Equal(t, io.EOF, err)
					}
					told := make(chan struct{})
					close(told)
					if c.every > 0 {
						told = make(chan struct{})
						go func() {
							defer close(told)
							for conn.Out.Send(t.Context(), websocket.Text("news")) == nil {
								time.Sleep(c.every)
							}
						}()
					}
					f := peer.next()
					for ; f.Opcode != websocket.OpClose; f = peer.next() {
					}
					require.Less(t, (time.Since(begin) - c.want).Abs(), 600*time.Millisecond, "%v", time.Since(begin))
					require.ErrorIs(t, conn.Out.Send(t.Context(), websocket.Text("late")), net.ErrClosed)
					peer.expectEnd()
					<-told
				})
			})
		})
	}
}

// TestPeerThatClosesAndReadsNothing fills Out before the peer's Close frame arrives.
func TestPeerThatClosesAndReadsNothing(t *testing.T) {
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprint("reads later ", reads), func(t *testing.T) {
			roles(t, func(t *testing.T, client bool) {
				synctest.Test(t, func(t *testing.T) {
					conn, peer := newRaw(t, client, nil)
					peer.send(text("go on"), closeFrame(1000, ""))
					_, err := conn.In.Recv(t.Context())
					require.NoError(t, err)
					out := conn.Out.C(t.Context())
					large := strings.Repeat("x", 30_000)
					for range 16 { // more than the buffers below hold
						out <- websocket.Text(large)
					}
					_, err = conn.In.Recv(t.Context())
					require.Equal(t, io.EOF, err)
					closed := make(chan error, 1)
					go func() { closed <- conn.Out.Close() }()
					time.Sleep(3 * time.Second)
					if reads {
						for range 16 {
							peer.expect(websocket.OpText, large)
						}
						peer.expectClose(1000)
						peer.expectEnd()
						require.NoError(t, <-closed)
						require.NoError(t, peer.conn.Out.Close())
					} else {
						require.ErrorIs(t, <-closed, os.ErrDeadlineExceeded)
						require.NoError(t, conn.In.Err(), "In has its own end")
					}
					<-conn.Done()
				})
			})
		})
	}
}

// TestMessageInPartsMayEndBehindThePeersClose checks how long that may take.
func TestMessageInPartsMayEndBehindThePeersClose(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := newRaw(t, client, nil)
			parts, err := conn.SendParts(t.Context(), websocket.BinaryMessage)
			require.NoError(t, err)
			go func() {
				for {
					if _, err := peer.conn.In.Recv(context.Background()); err != nil {
						return
					}
				}
			}()
			peer.send(closeFrame(1000, ""))
			begin := time.Now()
			for err == nil {
				err = parts.Send(t.Context(), []byte("more"))
				time.Sleep(100 * time.Millisecond)
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Less(t, (time.Since(begin) - websocket.DefaultCloseTimeout).Abs(), time.Second)
			<-conn.Done()
		})
	})
}

// TestAbortWakesWhoWaitsForAMessageInParts aborts while a Send waits for the end of a message in parts.
func TestAbortWakesWhoWaitsForAMessageInParts(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		synctest.Test(t, func(t *testing.T) {
			conn, _ := newRaw(t, client, nil)
			_, err := conn.SendParts(t.Context(), websocket.BinaryMessage)
			require.NoError(t, err)
			waits := make(chan error, 1)
			go func() { waits <- conn.Out.Send(context.Background(), websocket.Text("behind it")) }()
			synctest.Wait()
			conn.Abort(nil)
			require.ErrorIs(t, <-waits, net.ErrClosed)
		})
	})
}
