package httpd_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/internal/memtest"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// TestIdleWebSocketHoldsNoBuffer measures the memory of a WebSocket that waits for its next message, excluding the
// net.TCPConn of either side. Half of it is the stack of the waiting handler. Of the request only a copy of its header
// remains.
func TestIdleWebSocketHoldsNoBuffer(t *testing.T) {
	idleWebSockets(t, httpd.IdleWebSocket, func(ctx context.Context, conn *websocket.Conn) error {
		for {
			m, err := conn.In.Recv(ctx)
			if err != nil {
				return nil
			}
			if err := conn.Out.Send(ctx, m); err != nil {
				return err
			}
		}
	})
}

func TestIdleWebSocketOfConnectHoldsNoBuffer(t *testing.T) {
	idleWebSockets(t, httpd.IdleWebSocketOfConnect, func(ctx context.Context, conn *websocket.Conn) error {
		return pipeline.Connect(ctx, conn.In, conn.Out)
	})
}

func idleWebSockets(t *testing.T, most int, echo func(context.Context, *websocket.Conn) error) {
	const (
		peers = 500
		hello = "\x81\x85\x00\x00\x00\x00hello"
	)
	if !memtest.Alone(t) {
		return
	}
	memtest.Records(peers)
	plain := memtest.HeldByTCP(t, peers)
	goroutines := runtime.NumGoroutine()
	heap, stack := memtest.HeldApart(func() (stop func()) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		handler := httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
			return echo(ctx, conn)
		}, nil)
		go func() { served <- httpd.New(handler, nil).Serve(ctx, ln) }()
		var conns []net.Conn
		in := bufio.NewReader(nil)
		for range peers {
			nc, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			conns = append(conns, nc)
			in.Reset(nc)
			_, err = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			require.NoError(t, err)
			r, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusSwitchingProtocols, r.StatusCode)
		}
		reply := make([]byte, 7)
		for range 2 { // a second round when all of them exist
			for _, nc := range conns {
				_, err := io.WriteString(nc, hello)
				require.NoError(t, err)
				_, err = io.ReadFull(nc, reply)
				require.NoError(t, err)
				require.Equal(t, "\x81\x05hello", string(reply))
			}
		}
		return func() {
			goroutines = memtest.Goroutines(goroutines, peers+3)
			for _, nc := range conns {
				_ = nc.Close()
			}
			cancel()
			require.NoError(t, <-served)
		}
	})
	ofHeap, ofStack := (heap-plain)/peers, stack/peers
	t.Logf("%d idle WebSockets: %d bytes each beyond the net.TCPConn, of which %d of stack, %d goroutines in all",
		peers, ofHeap+ofStack, ofStack, goroutines)
	require.LessOrEqual(t, goroutines, peers+3, "one for each, and Serve's")
	if !httpd.RaceEnabled {
		require.LessOrEqual(t, ofHeap, most)
		require.LessOrEqual(t, ofStack, httpd.IdleStack)
	}
}
