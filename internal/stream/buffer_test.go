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
