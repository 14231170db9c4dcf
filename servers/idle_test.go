package servers_test

import (
	"context"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/memtest"
)

// The cost of a connection whose handler waits for input, after it has been used, beyond the net.TCPConn and the
// runtime's record of the goroutine.
func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	if !memtest.Alone(t) {
		return
	}
	const (
		peers = 1000
		bound = 7500 // bytes of heap and stack each, including the goroutine's: 6000, what a loaded machine adds, and no buffer
	)
	memtest.Records(peers)
	plain := memtest.HeldByTCP(t, peers)
	goroutines := runtime.NumGoroutine()
	ours := memtest.Held(func() (stop func()) {
		ln, result := serve(t, nil, echoByHand)
		var conns []net.Conn
		for range peers {
			nc, err := net.Dial("tcp", ln.Addr().String()) // t.Cleanup would cost half a KiB each
			require.NoError(t, err)
			conns = append(conns, nc)
		}
		for range 2 { // also when all of them are open
			for _, nc := range conns {
				say(t, nc, "hello, is anybody there?")
			}
		}
		goroutines = memtest.Goroutines(goroutines, peers+2)
		return func() {
			for _, nc := range conns {
				_ = nc.Close()
			}
			require.NoError(t, ln.Close())
			require.NoError(t, <-result)
		}
	})
	each := (ours - plain) / peers
	t.Logf("%d idle connections: %d bytes of heap and stack each beyond the net.TCPConn, %d goroutines in all", peers, each, goroutines)
	require.LessOrEqual(t, goroutines, peers+2, "one for each, Serve's, and the test's")
	if !raceEnabled {
		require.LessOrEqual(t, each, bound)
	}
}

func echoByHand(ctx context.Context, c *chanio.Conn) error {
	for {
		v, err := c.In.Recv(ctx)
		if err != nil {
			return err
		}
		if err := c.Out.Send(ctx, v); err != nil {
			return err
		}
	}
}

func settledMemory() int64 {
	heap, stack := memtest.InUse()
	return int64(heap + stack)
}
