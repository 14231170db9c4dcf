package servers_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/pipeline"
)

// Two Listeners are merged into one stream of connections. A connection that the merge had accepted when it was closed
// is aborted.
func TestSeveralAddressesAreOneStreamOfConnections(t *testing.T) {
	one, two := listen(t, nil), listen(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conns := pipeline.Merge(ctx, one.Conns, two.Conns)
	for range 3 {
		a, b := dial(t, one), dial(t, two)
		for range 2 {
			c, err := conns.Recv(ctx)
			require.NoError(t, err)
			require.Contains(t, []string{one.Addr().String(), two.Addr().String()}, c.LocalAddr().String())
			c.Out.Abort(nil)
		}
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	}
	late := dial(t, one)
	await(t, one, 1)
	require.NoError(t, conns.Close())
	_, err := late.Read(make([]byte, 1))
	require.Error(t, err)
	await(t, one, 0)
	await(t, two, 0)
}
