package websocket_test

import (
	"context"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// brokenReader is a DEFLATE reader that panics, or calls runtime.Goexit.
type brokenReader struct{ exits bool }

func (b brokenReader) Read([]byte) (int, error) {
	if b.exits {
		runtime.Goexit()
	}
	panic("broken")
}

func (brokenReader) Close() error                  { return nil }
func (brokenReader) Reset(io.Reader, []byte) error { return nil }

// TestPanicOfAReaderEndsItsConnection has the message read ahead, and read to be dropped, by a goroutine of the Conn.
func TestPanicOfAReaderEndsItsConnection(t *testing.T) {
	for _, exits := range []bool{false, true} {
		for _, drops := range []bool{false, true} {
			bubble(t, func(t *testing.T, client bool) {
				cfg := deflating()
				cfg.Deflate.NewReader = func(io.Reader) io.ReadCloser { return brokenReader{exits} }
				conn, peer := newRaw(t, client, cfg)
				if drops {
					require.NoError(t, conn.In.Close())
				}
				peer.send(compressed(fin, websocket.OpText, deflated(t, "hello")))
				time.Sleep(time.Minute)
				peer.expectClose(1011)
				var crash *chanio.PanicError
				require.ErrorAs(t, conn.Out.Err(), &crash)
			})
		}
	}
}

func TestPanicOfAReaderInRecvEndsItsConnection(t *testing.T) {
	for _, parts := range []bool{false, true} {
		bubble(t, func(t *testing.T, client bool) {
			cfg := deflating()
			cfg.Deflate.NewReader = func(io.Reader) io.ReadCloser { return brokenReader{} }
			conn, peer := newRaw(t, client, cfg)
			peer.send(compressed(fin, websocket.OpText, deflated(t, "hello")))
			require.PanicsWithValue(t, "broken", func() {
				if !parts {
					_, _ = conn.In.Recv(peer.ctx)
				} else if _, in, err := conn.RecvParts(peer.ctx, 0); err == nil {
					_, _ = in.Recv(peer.ctx)
				}
			})
			peer.expectClose(1011)
			var crash *chanio.PanicError
			require.ErrorAs(t, conn.Out.Err(), &crash)
			peer.send(closeFrame(1011, ""))
			require.NoError(t, peer.conn.Close())
			<-conn.Done()
		})
	}
}

// brokenWriter is a writer that panics, or calls runtime.Goexit.
type brokenWriter struct{ exits bool }

func (b brokenWriter) Write(p []byte) (int, error) { return brokenReader(b).Read(p) }

// TestPanicOfAWriterBelowEndsItsConnection has goroutines of the Conn write: a ping, a pong, an answer to a Close frame, and
// the Close frames of an Abort and of the end of the Context.
func TestPanicOfAWriterBelowEndsItsConnection(t *testing.T) {
	for _, exits := range []bool{false, true} {
		for name, cause := range map[string]func(conn *websocket.Conn, peer io.Writer, cancel func()){
			"ping":    func(*websocket.Conn, io.Writer, func()) {},
			"pong":    func(_ *websocket.Conn, peer io.Writer, _ func()) { _, _ = peer.Write([]byte{0x89, 0}) },
			"close":   func(_ *websocket.Conn, peer io.Writer, _ func()) { _, _ = peer.Write([]byte{0x88, 0}) },
			"drain":   func(conn *websocket.Conn, _ io.Writer, _ func()) { conn.Below().Drain(io.EOF) },
			"context": func(_ *websocket.Conn, _ io.Writer, cancel func()) { cancel() },
			"abort": func(conn *websocket.Conn, _ io.Writer, _ func()) {
				conn.Abort(&websocket.CloseError{Code: 4000, Err: chanio.Recovered("aborted")})
			},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					in, peer := io.Pipe()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					low := chanio.ConnOf(chanio.FromReader(in, in.Close), chanio.ToWriter(brokenWriter{exits}), nil)
					conn := websocket.NewConn(low, &websocket.Config{Client: true, Context: ctx})
					go cause(conn, peer, cancel)
					<-conn.Done()
					var crash *chanio.PanicError
					require.ErrorAs(t, conn.Out.Err(), &crash)
				})
			})
		}
	}
}
