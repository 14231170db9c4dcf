package httpd

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/memtest"
)

// TestIdleConnectionHoldsNoBuffer measures what a connection costs that waits for its next request, beyond the
// net.TCPConn of either side.
func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	const (
		peers = 500
		bound = 8400 // bytes of heap and stack each, those of the goroutine included
	)
	plain := memtest.HeldByTCP(t, peers)
	goroutines := runtime.NumGoroutine()
	ours := memtest.Held(func() (stop func()) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- New(http.HandlerFunc(sayTyped), nil).Serve(ctx, ln) }()
		var conns []net.Conn
		for range peers {
			nc, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			conns = append(conns, nc)
		}
		in := bufio.NewReader(nil)
		for range 2 { // used, also when all of them are there
			for _, nc := range conns {
				in.Reset(nc)
				_, err := io.WriteString(nc, typical)
				require.NoError(t, err)
				r, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				require.True(t, bytes.Equal(body, []byte("hello")))
			}
		}
		goroutines = runtime.NumGoroutine() - goroutines
		return func() {
			for _, nc := range conns {
				_ = nc.Close()
			}
			cancel()
			require.NoError(t, <-served)
		}
	})
	each := (ours - plain) / peers
	t.Logf("%d idle connections: %d bytes of heap and stack each beyond the net.TCPConn, %d goroutines in all", peers, each, goroutines)
	require.LessOrEqual(t, goroutines, peers+3, "one for each, and Serve's")
	if !raceEnabled {
		require.LessOrEqual(t, each, bound)
	}
}
