package websocket

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDefaultsAreTheDocumentedOnes checks the numbers in the comments of Config and Deflate.
func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	for _, cfg := range []*Config{nil, {}} {
		c := cfg.complete()
		require.Equal(t, []int{1 << 20, 1 << 20, 4096}, []int{c.MaxMessage, c.MaxFrame, c.MaxFragments})
		require.Equal(t, []time.Duration{30 * time.Second, 15 * time.Second, 5 * time.Second},
			[]time.Duration{c.PingAfter, c.PongWithin, c.CloseTimeout})
		require.Nil(t, c.Deflate, "messages are not compressed")
	}
	var d Deflate
	w := &writer{cfg: &settings{Deflate: &d}}
	for n, want := range map[int]bool{511: false, 512: true} {
		m := Text(strings.Repeat("x", n))
		require.Equal(t, want, w.deflates(&m))
	}
	for range 256 {
		require.True(t, d.reserve())
	}
	require.False(t, d.reserve(), "no more compressors that are kept")
	d.unreserve()
	require.True(t, d.reserve())
}
