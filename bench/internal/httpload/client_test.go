package httpload

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEveryClientSendsRequests is a smoke test.
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

// BenchmarkHello requests 5 B, with as many requests in flight as the suite.
func BenchmarkHello(b *testing.B) {
	for _, http2 := range []bool{false, true} {
		for name, fresh := range Clients(http2) {
			b.Run(fmt.Sprintf("http2=%v/client=%s", http2, strings.ReplaceAll(name, "/", "-")), func(b *testing.B) {
				url, stop, err := serve(http2, 5)
				require.NoError(b, err)
				defer stop()
				c := fresh()
				defer c.close()
				require.NoError(b, c.get(url)) // the connection
				b.ReportAllocs()
				b.SetParallelism(max(InFlight/runtime.GOMAXPROCS(0), 1))
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						if err := c.get(url); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}
