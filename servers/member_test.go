package servers

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// A connection may end while a shutdown asks all of them to finish.
func TestAConnectionThatIsGoneIsNotAskedToFinish(t *testing.T) {
	cfg, err := (*Config)(nil).complete()
	require.NoError(t, err)
	l, err := newListener(cfg)
	require.NoError(t, err)
	near, far := chanio.Pipe()
	defer far.Abort(nil)
	l.tell(near)
	require.True(t, l.mu.TryLock(), "is left unlocked")
	l.mu.Unlock()
	require.NoError(t, near.Out.Send(t.Context(), []byte("x")))
	near.Abort(nil)
}
