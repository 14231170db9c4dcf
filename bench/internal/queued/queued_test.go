package queued

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestFormsTakeWhatIsQueued(t *testing.T) {
	for _, f := range Forms() {
		t.Run(f.Name, func(t *testing.T) {
			r, err := f.Open()
			require.NoError(t, err)
			defer r.Close()
			for range 3 {
				n, took, err := r.Once()
				require.NoError(t, err)
				require.Equal(t, Len, n)
				require.Positive(t, took)
			}
		})
	}
}
