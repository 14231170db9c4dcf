package httpload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEveryClientSendsRequests is a smoke run.
func TestEveryClientSendsRequests(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for name := range Clients(http2) {
			m, err := Contender(name, false, http2, 1000, 4, false).Start(t.Context())
			require.NoError(t, err)
			s, err := m.Round(t.Context(), 20*time.Millisecond)
			require.NoError(t, err, name)
			require.Positive(t, s.Value)
			require.NoError(t, m.Close())
		}
	}
	_, err := Contender("nobody", false, false, 1, 1, false).Start(t.Context())
	require.Error(t, err)
}
