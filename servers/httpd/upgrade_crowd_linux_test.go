package httpd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/internal/memtest"
)

const crowdVariable = "WEIR_TEST_SOCKETS"

// TestCrowdOfIdleWebSockets logs the memory of each, and requires a Shutdown to close all of them with 1001. There are
// 10,000 with WEIR_LONG=1, otherwise 300.
func TestCrowdOfIdleWebSockets(t *testing.T) {
	size := 300
	if os.Getenv("WEIR_LONG") == "1" {
		size = 10_000
	}
	if raceEnabled {
		size = min(size, 2000)
	}
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	size = min(size, int(limit.Cur)-500)
	plain := memtest.HeldByTCP(t, 300) / 2 / 300 // of one side

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := New(WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		for {
			m, err := conn.In.Recv(ctx)
			if err != nil {
				return conn.In.Err()
			}
			if err := conn.Out.Send(ctx, m); err != nil {
				return err
			}
		}
	}, &UpgradeConfig{WebSocket: websocket.Config{CloseTimeout: time.Minute}}), nil)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	memtest.Records(size)
	goroutines := runtime.NumGoroutine()
	heap, stack := memtest.InUse()

	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildIsACrowdOfWebSockets$", "-test.v")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", crowdVariable, ln.Addr(), size))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	await := func(want string) {
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "--- FAIL") {
				break
			}
			if lines.Text() == want {
				return
			}
		}
		require.FailNow(t, "the crowd has gone", want)
	}
	await(fmt.Sprint("ready ", size))

	heapAfter, stackAfter := memtest.InUse()
	ofHeap, ofStack := (heapAfter-heap)/size-plain, (stackAfter-stack)/size
	goroutines = memtest.Goroutines(goroutines, size+3)
	t.Logf("%d idle WebSockets: %d bytes each beyond the net.TCPConn, of which %d of stack; %d goroutines", size, ofHeap+ofStack, ofStack, goroutines)
	require.LessOrEqual(t, goroutines, size+3, "one for each")
	if !raceEnabled {
		require.LessOrEqual(t, ofHeap, idleWebSocket)
		require.LessOrEqual(t, ofStack, IdleStack)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, srv.Shutdown(ctx), "all ended by themselves")
	require.NoError(t, <-served)
	await(fmt.Sprint("told ", size))
	for lines.Scan() { // to its end
	}
	require.NoError(t, cmd.Wait())
}

// TestChildIsACrowdOfWebSockets runs the clients: one process has too few file descriptors for both sides.
func TestChildIsACrowdOfWebSockets(t *testing.T) {
	var addr string
	var size int
	if _, err := fmt.Sscan(os.Getenv(crowdVariable), &addr, &size); err != nil {
		t.Skip("not a child")
	}
	conns := make([]net.Conn, size)
	var eight sync.WaitGroup
	for part := range 8 {
		eight.Go(func() {
			for i := part; i < size; i += 8 {
				conns[i] = greet(t, addr)
			}
		})
	}
	eight.Wait()
	fmt.Println("ready", size)
	told := 0
	for _, nc := range conns {
		all, err := io.ReadAll(io.LimitReader(nc, 4)) // 1001, without a reason
		if err == nil && string(all) == "\x88\x02\x03\xe9" {
			told++
		}
		_, _ = io.WriteString(nc, "\x88\x82\x00\x00\x00\x00\x03\xe9")
	}
	for _, nc := range conns {
		_, err := nc.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err, "drained, and not reset")
		_ = nc.Close()
	}
	fmt.Println("told", told)
}

// greet opens a WebSocket and exchanges one message.
func greet(t *testing.T, addr string) net.Conn {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	in := bufio.NewReader(nc)
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if r, err := http.ReadResponse(in, nil); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		t.Error("no WebSocket", err)
	}
	_, _ = io.WriteString(nc, "\x81\x85\x00\x00\x00\x00hello")
	reply := make([]byte, 7)
	if _, err := io.ReadFull(in, reply); err != nil || string(reply) != "\x81\x05hello" {
		t.Error("no echo", err)
	}
	return nc
}
