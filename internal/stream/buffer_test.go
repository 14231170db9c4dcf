package stream_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/stream"
)

func TestSpaceMovesNothingWhileWhatIsWantedFitsBehind(t *testing.T) {
	var b stream.Buffer
	all := len(b.Space(1))
	b.Add(all/2 + 8)
	require.False(t, b.Discard(all/2))
	behind := all/2 - 8
	require.Len(t, b.Space(behind), behind)
	require.Len(t, b.Space(behind+1), all-8, "moved to the front")
	require.Equal(t, 8, b.Len())
}

// A connection that stalls at the start of a frame holds a small block, even after a large frame.
func TestABufferThatWaitsWithLittleHoldsASmallBlock(t *testing.T) {
	var b stream.Buffer
	small := len(b.Space(1))
	for b.Len() < 300<<10 {
		b.Add(len(b.Space(1)))
	}
	large := b.Len()
	const rest = 100
	copy(b.Bytes()[b.Len()-rest:], "the start of a frame")
	require.False(t, b.Discard(b.Len()-rest))
	b.Release()
	require.Equal(t, rest, b.Len())
	require.Equal(t, "the start of a frame", string(b.Bytes()[:20]))
	require.Equal(t, small-rest, len(b.Space(1)))

	b.Add(small - rest)
	require.Equal(t, large-small, len(b.Space(1)), "the rest of a large frame has room at once")
	require.Equal(t, "the start of a frame", string(b.Bytes()[:20]))
}
