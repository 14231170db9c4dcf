package websocket_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// failsLater is an io.Writer that fails at its second Write.
type failsLater struct{ written bool }

func (w *failsLater) Write(p []byte) (int, error) {
	if w.written {
		return 0, errors.New("broken")
	}
	w.written = true
	return len(p), nil
}

// TestPingEndsWhenNothingMoreCanBeSent has a send fail while a ping waits for its pong, and nobody receives.
func TestPingEndsWhenNothingMoreCanBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		defer far.Abort(nil)
		conn := websocket.NewConn(chanio.ConnOf(near.In, chanio.ToWriter(new(failsLater)), nil), &websocket.Config{PingAfter: -1})
		defer conn.Abort(nil)
		pinged := make(chan error, 1)
		go func() {
			_, err := conn.Ping(t.Context())
			pinged <- err
		}()
		synctest.Wait()
		_ = conn.Out.Send(t.Context(), websocket.Text("x"))
		require.Error(t, conn.Out.Flush(t.Context()))
		var end *websocket.CloseError
		require.ErrorAs(t, <-pinged, &end)
	})
}
