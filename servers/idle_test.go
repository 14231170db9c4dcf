package servers_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// What a connection costs whose handler waits for input, after it has been used, beyond the net.TCPConn and the runtime's
// record of the goroutine, which it keeps and uses again. It is measured in a process of its own: how large a stack is when its goroutine starts depends on those that ran before.
func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	if os.Getenv("WEIR_IDLE") == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestIdleConnectionHoldsNoBuffer$", "-test.v")
		child.Env = append(os.Environ(), "WEIR_IDLE=1")
		out, err := child.CombinedOutput()
		t.Logf("%s", out)
		require.NoError(t, err)
		return
	}
	const (
		peers = 1000
		bound = 6 << 10 // bytes of heap and stack each, those of the goroutine included
	)
	records(peers)
	plain := inUse(t, func() func() {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		var conns []net.Conn
		for range peers {
			near, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			far, err := ln.Accept()
			require.NoError(t, err)
			conns = append(conns, near, far)
		}
		return func() {
			for _, nc := range conns {
				_ = nc.Close()
			}
			_ = ln.Close()
		}
	})
	goroutines := runtime.NumGoroutine()
	ours := inUse(t, func() func() {
		ln, result := serve(t, nil, echoByHand)
		var conns []net.Conn
		for range peers {
			nc, err := net.Dial("tcp", ln.Addr().String()) // t.Cleanup would cost half a KiB each
			require.NoError(t, err)
			conns = append(conns, nc)
		}
		for range 2 { // used, also when all of them are there
			for _, nc := range conns {
				say(t, nc, "hello, is anybody there?")
			}
		}
		goroutines = runtime.NumGoroutine() - goroutines
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

// inUse returns how many bytes of heap and stack are in use for what start starts, which it stops.
// records has the runtime make its records of n goroutines.
func records(n int) {
	stop := make(chan struct{})
	var parked sync.WaitGroup
	for range n {
		parked.Go(func() { <-stop })
	}
	close(stop)
	parked.Wait()
}

func inUse(t *testing.T, start func() (stop func())) int {
	before := settledMemory()
	stop := start()
	after := settledMemory()
	stop()
	return int(after - before)
}

func settledMemory() int64 {
	for range 3 { // pools are emptied by the second, stacks shrink with each
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
