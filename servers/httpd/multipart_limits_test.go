package httpd

import (
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

func TestLargestLimitsOfMultipartLoseNothing(t *testing.T) {
	for _, memory := range []int64{1, math.MaxInt64} {
		body, kind := form(t, twoFiles)
		parts := partsOf(t, &MultipartConfig{Store: true, MaxText: math.MaxInt64, MaxMemory: memory, MaxDisk: math.MaxInt64}, body, kind)
		n := 0
		for part, err := range parts.Values(t.Context()) {
			require.NoError(t, err)
			n++
			if part.Source == nil {
				require.Equal(t, map[string]string{"title": "some text", "last": ""}[part.Name], part.Text)
			} else {
				p, err := io.ReadAll(chanio.NewReader(t.Context(), part.Source))
				require.NoError(t, err)
				require.NotEmpty(t, p, part.Name)
			}
			part.Release()
		}
		require.NotZero(t, n)
	}
}
