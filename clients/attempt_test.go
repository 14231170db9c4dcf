package clients_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
)

// TestAttemptDelayIsWhatTheConfigSays uses two addresses. Each is refused 3 s after the start of its attempt.
func TestAttemptDelayIsWhatTheConfigSays(t *testing.T) {
	table := static(t, map[string][]string{"two.test": {"127.0.0.2", "127.0.0.1"}})
	for _, c := range []struct {
		delay, second time.Duration
		local         string
	}{
		{0, 250 * time.Millisecond, ""}, {time.Second, time.Second, ""}, {time.Minute, 3 * time.Second, ""}, {-1, 3 * time.Second, ""},
		{0, 250 * time.Millisecond, "127.0.0.1:0"},
		{0, 3 * time.Second, "127.0.0.1:7"}, // two sockets cannot have that port
	} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var begun []string
			start := time.Now()
			allow := func(addr netip.AddrPort) error {
				mu.Lock()
				begun = append(begun, fmt.Sprint(addr.Addr(), " ", time.Since(start)))
				mu.Unlock()
				time.Sleep(3 * time.Second)
				return fmt.Errorf("%v is not allowed", addr)
			}
			_, err := clients.DialTCP(t.Context(), "two.test:80", &clients.Config{
				Resolver: table, Allow: allow, AttemptDelay: c.delay, LocalAddr: c.local,
			})
			require.ErrorContains(t, err, "127.0.0.2:80 is not allowed")
			require.Equal(t, []string{"127.0.0.2 0s", fmt.Sprint("127.0.0.1 ", c.second)}, begun, "%+v", c)
			require.Equal(t, c.second+3*time.Second, time.Since(start))
		})
	}
}
