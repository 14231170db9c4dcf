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
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/internal/memtest"
)

// testIdle measures the memory of a connection to a Server that use has used and that waits for its next request,
// excluding the net.TCPConn of either side and the runtime's record of the goroutine. most is the limit for the heap. make
// makes the Server.
func testIdle(t *testing.T, most int, make func() *Server, use func(nc net.Conn, round int)) {
	if !memtest.Alone(t) {
		return
	}
	peers := 2000
	if raceEnabled { // the goroutines are still counted
		peers = 200
	}
	memtest.Records(peers)
	plain := memtest.HeldByTCP(t, peers)
	goroutines := runtime.NumGoroutine()
	heap, stack := memtest.HeldApart(func() (stop func()) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		served := goServe(make(), ctx, ln)
		var conns []net.Conn
		for range peers {
			nc, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			conns = append(conns, nc)
		}
		for round := range 2 { // a second round when all of them exist
			for _, nc := range conns {
				use(nc, round)
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
	t.Logf("%d idle connections: %d bytes each beyond the net.TCPConn, of which %d of stack, %d goroutines in all",
		peers, ofHeap+ofStack, ofStack, goroutines)
	require.LessOrEqual(t, goroutines, peers+3, "one for each, and Serve's")
	if !raceEnabled {
		require.LessOrEqual(t, ofHeap, most)
		require.LessOrEqual(t, ofStack, IdleStack)
	}
}

func goServe(srv *Server, ctx context.Context, ln net.Listener) (served chan error) {
	served = make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	return served
}

// idleHTTP1 is the most of the heap that an idle connection of HTTP/1 may hold. It holds 2,200 to 2,350 bytes; runs differ
// by how full the runtime's spans are. Its stack has 4,096 bytes.
const idleHTTP1 = 2500

func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	testIdle(t, idleHTTP1, func() *Server { return New(http.HandlerFunc(sayTyped), nil) }, useHTTP1(t))
}

func TestIdleNativeConnectionHoldsNoBuffer(t *testing.T) {
	hello := []byte("hello")
	testIdle(t, idleHTTP1, func() *Server {
		return NewNative(func(_ context.Context, x Exchange) error { return x.Reply(http.StatusOK, "text/plain", hello) }, nil)
	}, useHTTP1(t))
}

// useHTTP1 sends one request.
func useHTTP1(t *testing.T) func(nc net.Conn, _ int) {
	in := bufio.NewReader(nil)
	return func(nc net.Conn, _ int) {
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

// TestIdleHTTP2ConnectionHoldsNoBuffer has two concurrent requests on each connection, twice. In addition to HTTP/1's,
// there are the tables of header compression: 6,350 to 6,600 bytes of the heap in all.
func TestIdleHTTP2ConnectionHoldsNoBuffer(t *testing.T) {
	testIdle(t, 6900, func() *Server { return New(http.HandlerFunc(sayTyped), nil) }, useHTTP2(t))
}

// useHTTP2 sends two requests at once.
func useHTTP2(t *testing.T) func(nc net.Conn, round int) {
	var out bytes.Buffer
	var block []byte
	in := bufio.NewReader(nil)
	fr := frames.NewFramer(&out, in)
	return func(nc net.Conn, round int) {
		in.Reset(nc)
		out.Reset()
		if round == 0 {
			out.WriteString(frames.ClientPreface)
			require.NoError(t, fr.WriteSettings())
			var p bytes.Buffer
			enc := hpack.NewEncoder(&p)
			for _, f := range ask2("GET") {
				f.Sensitive = true // never indexed, so that the next round has the same bytes
				require.NoError(t, enc.WriteField(f))
			}
			block = p.Bytes()
		}
		first := uint32(4*round + 1)
		for id := first; id <= first+2; id += 2 {
			require.NoError(t, fr.WriteHeaders(frames.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true}))
		}
		_, err := nc.Write(out.Bytes())
		require.NoError(t, err)
		for ended := 0; ended < 2; {
			f, err := fr.ReadFrame()
			require.NoError(t, err)
			if d, ok := f.(*frames.DataFrame); ok && d.StreamEnded() {
				ended++
			}
		}
	}
}
