package servers_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A shutdown by Ctrl-C with many idle clients, which close only when the server does, or not at all, takes the
// CloseWait of one.
func TestTheEndOfCtxIsNotHeldUpByIdlePeers(t *testing.T) {
	for want, polite := range map[time.Duration]bool{0: true, 250 * time.Millisecond: false} {
		synctest.Test(t, func(t *testing.T) {
			ln, connect := listenInMemory(t, nil)
			ctx, cancel := context.WithCancel(t.Context())
			result := serveOn(t, ctx, ln, echo)
			for range 1000 {
				nc := connect()
				require.Equal(t, "hello", say(t, nc, "hello"))
				go func() {
					if _, _ = io.Copy(io.Discard, nc); polite {
						_ = nc.Close()
					}
				}()
				defer nc.Close()
			}
			synctest.Wait()
			start := time.Now()
			cancel()
			require.NoError(t, <-result)
			require.Equal(t, want, time.Since(start))
		})
	}
}
