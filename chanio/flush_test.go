package chanio_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
)

// TestG5FlushAndCloseSendWhatACorkHoldsBack checks that both wait only for the peer.
func TestG5FlushAndCloseSendWhatACorkHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		defer far.Close()
		defer near.Close()
		start := time.Now()
		uncork := near.Out.Cork()
		defer uncork()
		require.NoError(t, near.Out.Send(t.Context(), []byte("one")))
		require.NoError(t, near.Out.Flush(t.Context()))
		require.Equal(t, "one", string(first(t, far.In)))
		require.NoError(t, near.Out.Send(t.Context(), []byte("two")))
		require.NoError(t, near.Out.Close())
		require.Equal(t, "two", string(first(t, far.In)))
		require.Zero(t, time.Since(start))
	})
}

// TestG2EndOfAContextLeavesNoDeadlineBehind sends a value too large for the socket with a ctx that has ended. There is
// room for it, so it is accepted, and all of it arrives.
func TestG2EndOfAContextLeavesNoDeadlineBehind(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		near, far := sockets(t, "tcp", nil)
		p := pattern(1 << 20)
		require.NoError(t, near.Out.Send(ctx, p))
		closed := future.Go(t.Context(), func(context.Context) (any, error) { return nil, near.Out.Close() })
		got, err := chanio.ReadAll(t.Context(), far.In, len(p))
		require.NoError(t, err)
		require.True(t, bytes.Equal(p, got))
		<-closed.Done()
		require.NoError(t, closed.Err())
	}
}
