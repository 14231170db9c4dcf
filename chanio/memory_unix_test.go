//go:build unix

package chanio_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/internal/memtest"
)

// afford returns n, or the number of TCP connections of which this process can hold both ends if that is lower.
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

// serving starts an echo goroutine for each conn, and returns a function that waits until all have ended.
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

// The test measures a connection that has been used and waits, with a handler blocked in Recv: its cost beyond the
// net.TCPConn and the runtime's record of the goroutine.
func TestAnIdleTCPConnectionHoldsLittle(t *testing.T) {
	const bound = 6 << 10
	if !memtest.Alone(t) {
		return
	}
	chaniotest.NoLeak(t)
	n := afford(t, 1000)
	clients, servers := tcpConns(t, n)
	memtest.Records(n)
	heap, stack := memtest.InUse()
	goroutines := runtime.NumGoroutine()
	wait := serving(t, servers, echoBytes)
	for range 2 { // used, also when all of them are there
		for _, client := range clients {
			exchange(t, client, 3)
		}
	}
	goroutines = runtime.NumGoroutine() - goroutines
	heapAfter, stackAfter := memtest.InUse()
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

// Ten thousand peers each announce a frame of 15 MiB, which is within the limit, and send none of it.
func TestG14StalledHeadersHoldNothing(t *testing.T) {
	n := 500
	if os.Getenv("WEIR_LONG") == "1" {
		n = 10000
	}
	n = afford(t, n)
	chaniotest.NoLeak(t)
	clients, servers := tcpConns(t, n)
	heap, _ := memtest.InUse()
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
	grown, _ := memtest.InUse()
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

func TestG8AnEmptyValueLeavesNoBufferBehind(t *testing.T) {
	var conns []*chanio.Conn
	for range 100 {
		a, b := chanio.Pipe()
		conns = append(conns, a, b)
	}
	abortAfter(t, conns...)
	before, _ := memtest.InUse()
	for _, c := range conns {
		n, err := c.Out.SendAll(t.Context(), nil, []byte{})
		require.NoError(t, err)
		require.Equal(t, 2, n)
	}
	after, _ := memtest.InUse()
	require.Less(t, (after-before)/len(conns), 16<<10)
	runtime.KeepAlive(conns)
}
