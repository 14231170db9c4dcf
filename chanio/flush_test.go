package chanio_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// TestG5FlushAndCloseSendWhatACorkHoldsBack holds that neither waits for anything but the peer.
func TestG5FlushAndCloseSendWhatACorkHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		defer far.Close()
		defer near.Close()
		start := time.Now()
		near.Out.Cork(true)
		require.NoError(t, near.Out.Send(t.Context(), []byte("one")))
		require.NoError(t, near.Out.Flush(t.Context()))
		require.Equal(t, "one", string(first(t, far.In)))
		require.NoError(t, near.Out.Send(t.Context(), []byte("two")))
		require.NoError(t, near.Out.Close())
		require.Equal(t, "two", string(first(t, far.In)))
		require.Zero(t, time.Since(start))
	})
}
