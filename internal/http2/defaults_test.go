package http2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/http1"
)

// TestDefaultsAreTheDocumentedOnes checks the defaults of both roles.
func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	for client, k := range map[bool]struct {
		windows []int
		ping    time.Duration
		limits  http1.Limits
	}{
		false: {[]int{64 << 10, 1 << 20, 1 << 20}, -1, http1.ServerLimits()},
		true:  {[]int{256 << 10, 4 << 20, 4 << 20}, 30 * time.Second, http1.ClientLimits()},
	} {
		c := (*Config)(nil).complete(client)
		require.Equal(t, []int{128, 16 << 10, 8, 32}, []int{c.MaxStreams, c.MaxFrame, c.MaxBlocks, c.MaxInformational})
		require.Equal(t, k.windows, []int{c.Window, c.MaxWindow, c.ConnWindow})
		require.EqualValues(t, []int{1000, 33, 1000, 33}, []int{int(c.ResetBurst), int(c.ResetRate), int(c.NoiseBurst), int(c.NoiseRate)})
		require.Equal(t, []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 75 * time.Second, 30 * time.Second, time.Second},
			[]time.Duration{c.PrefaceTimeout, c.HeadTimeout, c.FrameTimeout, c.IdleTimeout, c.StallTimeout, c.GoAwayTimeout})
		require.Equal(t, []time.Duration{k.ping, 15 * time.Second}, []time.Duration{c.PingAfter, c.PingTimeout})
		require.Equal(t, k.limits, *c.Limits)
	}
	require.Equal(t, []int{32, 1000, 20, 10, 4096, 240}, []int{maxSettings, maxOwed, maxZombies, updatesPerData, maxTable, minPeerRate})
}
