package websocket

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

func TestPingThatIsCancelledIsForgotten(t *testing.T) {
	a, b := chanio.Pipe()
	defer b.Abort(nil)
	conn := NewConn(a, nil)
	defer conn.Abort(nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		_, err := conn.Ping(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Empty(t, conn.signaling().pings.waiting)
}
