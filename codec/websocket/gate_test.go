package websocket

import (
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Of two concurrent closers, one sends the Close frame. The other closes the connection below, which must not overtake
// the frame.
func TestWhoClosesSecondWaitsUntilTheCloseFrameHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		require.NoError(t, g.enter(t.Context(), closing))
		second := make(chan error, 1)
		go func() { second <- g.enter(t.Context(), closing) }()
		synctest.Wait()
		require.Empty(t, second, "the frame is on its way")
		require.ErrorIs(t, g.enter(t.Context(), control), net.ErrClosed, "anything else is refused at once")
		g.leave(closing)
		require.ErrorIs(t, <-second, net.ErrClosed)
	})
}
