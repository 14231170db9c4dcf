package websocket

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// TestADeadPeerIsNoticedAfterInWasClosedWhileReadingAhead: the reading ahead finds its queue full behind the Close of In.
func TestADeadPeerIsNoticedAfterInWasClosedWhileReadingAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below, peer := chanio.Pipe()
		defer peer.Abort(nil)
		c := NewConn(below, nil)
		c.mu.Lock()
		ctx, ok := c.who.beginBackendLocked()
		c.mu.Unlock()
		require.True(t, ok)
		require.NoError(t, c.In.Close())
		c.rd.queue = make([]Message, aheadMessages)
		c.readAhead(ctx)
		select {
		case <-c.Done():
			require.ErrorIs(t, c.Out.Err(), os.ErrDeadlineExceeded)
		case <-time.After(time.Hour):
			c.Abort(nil)
			require.Fail(t, "the silence of the peer was not noticed")
		}
	})
}
