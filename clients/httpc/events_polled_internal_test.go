package httpc

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
)

// TestEventThatWasPolledEndsTheFailures receives the first event of an answer with TryRecv, as after a Recv that was
// cancelled: the attempts that fail before and after it do not follow each other.
func TestEventThatWasPolledEndsTheFailures(t *testing.T) {
	e := &eventSource{failures: 3, events: chanio.FromSlice([]sse.Event{{Data: "a"}})}
	got, ok, err := e.tryNext()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "a", got.Data)
	require.Zero(t, e.failures)
}
