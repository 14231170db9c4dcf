package recipes

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

func TestMetrics(t *testing.T) {
	conn, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	defer conn.Close()
	addr := conn.LocalAddr()
	require.NoError(t, report(t.Context(), addr.String(), Metric{"hits", 1}))
	junk, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	require.NoError(t, junk.Out.Send(t.Context(), chanio.Packet{Addr: addr, Data: []byte("{")}))
	require.NoError(t, junk.Close())
	require.NoError(t, report(t.Context(), addr.String(), Metric{"hits", 2}))

	enough := errors.New("enough")
	total := 0.0
	err = collect(t.Context(), conn, func(sums map[string]float64) error {
		if total += sums["hits"]; total == 3 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)

	taken, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	defer taken.Close()
	require.Error(t, listenMetrics(t.Context(), taken.LocalAddr().String(), nil))
}
