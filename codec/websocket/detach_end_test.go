package websocket_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// watched is a context that tells when its function is not wanted any more.
type watched struct {
	context.Context
	stopped chan struct{}
}

func (w watched) AfterFunc(func()) func() bool {
	return func() bool {
		select {
		case <-w.stopped:
			return false
		default:
			close(w.stopped)
			return true
		}
	}
}

// TestEndedConnectionIsNotHeldByItsContext ends a connection whose context lives on.
func TestEndedConnectionIsNotHeldByItsContext(t *testing.T) {
	a, b := chanio.Pipe()
	defer b.Abort(nil)
	ctx := watched{t.Context(), make(chan struct{})}
	conn := websocket.NewConn(a, &websocket.Config{Context: ctx})
	conn.Abort(nil)
	select {
	case <-ctx.stopped:
	case <-time.After(patience):
		require.Fail(t, "the function is still registered")
	}
}
