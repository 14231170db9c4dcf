package websocket_test

import (
	"io"
	"runtime"
	"testing"
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
