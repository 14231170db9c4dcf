//go:build unix

package chanio_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// inUse returns the bytes of heap and of stacks in use after a garbage collection.
func inUse() (heap, stack int) {
	runtime.GC()
	runtime.GC() // what the first one let go of in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), int(m.StackInuse)
}

// afford returns how many TCP connections, up to n, this process can have both ends of.
func afford(t *testing.T, n int) int {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	return min(n, (int(limit.Cur)-200)/2)
}

// tcpConns returns both ends of n TCP connections.
func tcpConns(t *testing.T, n int) (clients, servers []net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	for range n {
		client, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		server, err := ln.Accept()
		require.NoError(t, err)
		t.Cleanup(func() { client.Close(); server.Close() })
		clients, servers = append(clients, client), append(servers, server)
	}
	return clients, servers
}

// serving has a goroutine for each conn echo, and returns a function that waits for all of them to end.
func serving(t *testing.T, conns []net.Conn, echo func(context.Context, *chanio.Conn) error) (wait func()) {
	ended := make(chan error)
	for _, nc := range conns {
		go func() { ended <- echo(t.Context(), chanio.NewConn(nc, nil)) }()
	}
	return func() {
		for range conns {
			<-ended
		}
	}
}

func echoBytes(ctx context.Context, conn *chanio.Conn) error {
	for {
		v, err := conn.In.Recv(ctx)
		if err != nil {
			return err
		}
		if err := conn.Out.Send(ctx, v); err != nil {
			return err
		}
	}
}

// records has the runtime make its records of n goroutines, which it keeps and uses again.
func records(n int) {
	stop := make(chan struct{})
	var parked sync.WaitGroup
	for range n {
		parked.Go(func() { <-stop })
	}
	close(stop)
	parked.Wait()
}

// A connection that has been used and waits, with a handler blocked in Recv: what it costs beyond the net.TCPConn and the
// runtime's record of the goroutine. It is measured in a process of its own: how large a stack is when its goroutine starts
// depends on those that ran before.
func TestAnIdleTCPConnectionHoldsLittle(t *testing.T) {
	const bound = 6 << 10
	if os.Getenv("WEIR_IDLE") == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnIdleTCPConnectionHoldsLittle$", "-test.v")
		child.Env = append(os.Environ(), "WEIR_IDLE=1")
		out, err := child.CombinedOutput()
		t.Logf("%s", out)
		require.NoError(t, err)
		return
	}
	chaniotest.NoLeak(t)
	n := afford(t, 1000)
	clients, servers := tcpConns(t, n)
	records(n)
	heap, stack := inUse()
	goroutines := runtime.NumGoroutine()
	wait := serving(t, servers, echoBytes)
	for range 2 { // used, also when all of them are there
		for _, client := range clients {
			exchange(t, client, 3)
		}
	}
	goroutines = runtime.NumGoroutine() - goroutines
	heapAfter, stackAfter := inUse()
	heap, stack = (heapAfter-heap)/n, (stackAfter-stack)/n
	t.Logf("%d idle connections: %d bytes of heap and %d of stack each", n, heap, stack)
	for _, client := range clients {
		client.Close()
	}
	wait()
	require.LessOrEqual(t, goroutines, n, "one for each connection")
	if !raceEnabled {
		require.LessOrEqual(t, heap+stack, bound)
	}
}

// Ten thousand peers that each announce a frame of 15 MiB, within the limit, and send nothing of it.
func TestG14StalledHeadersHoldNothing(t *testing.T) {
	n := 500
	if os.Getenv("WEIR_LONG") == "1" {
		n = 10000
	}
	n = afford(t, n)
	chaniotest.NoLeak(t)
	clients, servers := tcpConns(t, n)
	heap, _ := inUse()
	wait := serving(t, servers, echoLoop)
	for i, client := range clients {
		stalled := append(bytes.Clone(frame), 0, 0xf0, 0, 0)
		if i%10 == 0 {
			stalled = append(stalled, make([]byte, 100)...) // some send a little, and stall then
		}
		_, err := client.Write(stalled)
		require.NoError(t, err)
		_, err = io.ReadFull(client, make([]byte, len(frame))) // so the server has read all of it
		require.NoError(t, err)
	}
	grown, _ := inUse()
	grown -= heap
	t.Logf("%d headers of 15 MiB: the heap has grown by %d KiB", n, grown>>10)
	for _, client := range clients {
		client.Close()
	}
	wait()
	if !raceEnabled {
		require.LessOrEqual(t, grown, (64<<20)/10000*n)
	}
}
