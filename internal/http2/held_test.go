package http2

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
)

// TestPastStreamsAreForgotten has a connection with many more streams than it remembers.
func TestPastStreamsAreForgotten(t *testing.T) {
	c, s := connect(t, nil, nil, hello)
	for range 3 * maxRemembered {
		ask(t, c, get("/"))
	}
	for _, side := range []*Conn{c, s} {
		side.mu.Lock()
		require.LessOrEqual(t, len(side.past.ring), maxRemembered)
		require.Empty(t, side.streams)
		side.mu.Unlock()
	}
}

// TestConnectionThatCannotBeWrittenEnds has an output that fails while no input arrives.
func TestConnectionThatCannotBeWrittenEnds(t *testing.T) {
	here, there := chanio.Pipe()
	failure := errors.New("no way out")
	out := chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send:    func(context.Context, []byte) error { return failure },
		TrySend: func([]byte) (bool, error) { return false, failure },
		Abort:   func(error) { here.Abort(nil) },
	})
	nc := chanio.ConnOf(here.In, out, nil)
	server := NewServer(nc, chanio.BytesOf(nc.In), serveFunc(hello), nil)
	ran(t, here, server.Serve)
	<-server.Done()
	require.ErrorIs(t, server.Err(), failure)
	there.Abort(nil)
}

// TestFlushSaysThatNothingHasLeft flushes data that waits for a window.
func TestFlushSaysThatNothingHasLeft(t *testing.T) {
	var said chan error
	inRaw(t, nil, func(x *exchange) {
		_ = x.Out.Headers(context.Background(), []Field{{Name: ":status", Value: "200"}})
		_, _ = x.Out.TrySend([]byte("hello"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		said <- x.Out.Flush(ctx)
		said <- x.Out.Flush(context.Background())
	}, func(r *raw) {
		said = make(chan error, 1) // created in the bubble
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 0}))
		r.ok(r.headers(1, true, get("/")))
		require.ErrorIs(t, <-said, context.DeadlineExceeded)
		r.ok(r.fr.WriteWindowUpdate(1, 5))
		require.NoError(t, <-said)
		require.Contains(t, r.heard(), "DATA 1 5")
	})
}

// TestFramesAreAsLongAsThePeerTakes has a peer that accepts longer frames than it must.
func TestFramesAreAsLongAsThePeerTakes(t *testing.T) {
	for _, most := range []int{16 << 10, 20_000} {
		inRaw(t, nil, func(x *exchange) { x.respond(200, strings.Repeat("x", 60_000)) }, func(r *raw) {
			r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingMaxFrameSize, Val: uint32(most)}))
			r.ok(r.headers(1, true, get("/")))
			longest := 0
			for _, s := range strings.Split(r.heard(), "\n") {
				if n, ok := strings.CutPrefix(s, "DATA 1 "); ok {
					size, err := strconv.Atoi(strings.TrimSuffix(n, " END"))
					r.ok(err)
					longest = max(longest, size)
				}
			}
			require.Equal(t, most, longest)
		})
	}
}

// TestFramesOfARefusedStreamAreDropped sends bodies and trailers of refused requests that were on their way.
func TestFramesOfARefusedStreamAreDropped(t *testing.T) {
	inRaw(t, &Config{MaxStreams: 1}, hang, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/", "Upper", "x")))
		r.ok(r.headers(3, true, get("/")))
		r.ok(r.headers(5, false, request("POST", "/")))
		for _, id := range []uint32{1, 5} {
			r.ok(r.fr.WriteData(id, false, []byte("hello")))
			r.ok(r.headers(id, true, []Field{{Name: "x-sum", Value: "1"}}))
		}
		require.Equal(t, 1, r.count("RST_STREAM 1 PROTOCOL_ERROR"))
		require.Equal(t, 1, r.count("RST_STREAM 5 REFUSED_STREAM"))
		require.Equal(t, 2, r.count("RST_STREAM"))
		require.NotContains(t, r.heard(), "GOAWAY")
	})
}

// TestDeadlinesOfAStreamAsAConnection sets deadlines for both directions.
func TestDeadlinesOfAStreamAsAConnection(t *testing.T) {
	c, _ := connect(t, nil, nil, func(x *exchange) {
		_ = x.Out.Headers(context.Background(), []Field{{Name: ":status", Value: "200"}})
		<-x.gone
	})
	s, err := c.Open(t.Context(), request("POST", "/"), false)
	require.NoError(t, err)
	_, err = s.Head(t.Context())
	require.NoError(t, err)
	conn := s.Conn(nil)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err = conn.In.Recv(t.Context())
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Millisecond)))
	for err = nil; err == nil; { // until the window is used up
		err = conn.Out.Send(t.Context(), make([]byte, 16<<10))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetWriteDeadline(time.Time{}))
	conn.Abort(nil)
	<-s.Done()
}

// TestStreamThatDependsOnItselfHasUsedItsID requires it, and lower ones from then on, to be refused.
func TestStreamThatDependsOnItselfHasUsedItsID(t *testing.T) {
	inRaw(t, nil, hello, func(r *raw) {
		r.ok(r.fr.WriteHeaders(frames.HeadersFrameParam{
			StreamID: 5, BlockFragment: r.encode(get("/")), EndStream: true, EndHeaders: true, Priority: frames.PriorityParam{StreamDep: 5},
		}))
		require.Contains(t, r.heard(), "RST_STREAM 5 PROTOCOL_ERROR")
		r.ok(r.headers(3, true, get("/")))
		require.Contains(t, r.heard(), "GOAWAY 0 PROTOCOL_ERROR stream id that was passed over")
	})
}

// TestTableOfTheEncoderIsBounded has a peer that allows any size.
func TestTableOfTheEncoderIsBounded(t *testing.T) {
	var server *Conn
	inRaw(t, nil, func(x *exchange) {
		server = x.c
		x.respond(200, "")
	}, func(r *raw) {
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingHeaderTableSize, Val: 1 << 30}))
		r.ok(r.headers(1, true, get("/")))
		require.Contains(t, r.heard(), "HEADERS 1 :status=200")
		server.mu.Lock()
		defer server.mu.Unlock()
		require.EqualValues(t, maxTable, server.send.encoder.MaxDynamicTableSize())
	})
}

// TestTrySendOnAStreamThatIsOverIsAnError tries behind the end of a response, and behind a reset.
func TestTrySendOnAStreamThatIsOverIsAnError(t *testing.T) {
	for name, end := range map[string]func(x *exchange){
		"ended": func(x *exchange) { x.respond(200, "x") },
		"reset": func(x *exchange) { x.Reset(Cancel, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var said chan error
			inRaw(t, nil, func(x *exchange) {
				end(x)
				ok, err := x.Out.TrySend([]byte("late"))
				if ok {
					err = nil
				}
				said <- err
			}, func(r *raw) {
				said = make(chan error, 1) // created in the bubble
				r.ok(r.headers(1, true, get("/")))
				require.Error(t, <-said)
				require.NotContains(t, r.heard(), "DATA 1 4")
			})
		})
	}
}
