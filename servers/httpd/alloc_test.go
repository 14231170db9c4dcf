package httpd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// asker sends the same request repeatedly and reads the replies, without allocating.
type asker struct {
	nc  net.Conn
	in  *bufio.Reader
	raw []byte
}

func (a *asker) ask() {
	if _, err := a.nc.Write(a.raw); err != nil {
		panic(err)
	}
	a.hear(1)
}

// hear reads n replies.
func (a *asker) hear(n int) {
	for range n {
		a.hearOne()
	}
}

func (a *asker) hearOne() {
	for { // to the end of the head
		line, err := a.in.ReadSlice('\n')
		if err != nil {
			panic(err)
		}
		if len(line) == 2 {
			break
		}
	}
	if _, err := a.in.Discard(len("hello")); err != nil {
		panic(err)
	}
}

const typical = "GET /hello HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test/1.0\r\nAccept: */*\r\nX-Own: a\r\n\r\n"

func sayTyped(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = plain
	_, _ = io.WriteString(w, "hello")
}

var plain = []string{"text/plain"}

// TestRequestCostsFewAllocations counts the allocations for a request and its reply: the request with its context,
// its URL, the copy of its head, the two of its header and its values, the writer and the two of its header.
// (net/http: 19.)
func TestRequestCostsFewAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	addr := start(t, http.HandlerFunc(sayTyped), nil)
	nc, in := dial(t, addr)
	a := &asker{nc: nc, in: in, raw: []byte(typical)}
	a.ask()
	require.LessOrEqual(t, testing.AllocsPerRun(200, a.ask), 9.0)
}

func TestNativeRequestCostsNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	hello := []byte("hello")
	addr, _ := startNative(t, func(_ context.Context, x Exchange) error {
		if x.Method() != http.MethodGet || len(x.HeaderBorrowed("X-Own")) != 1 {
			return errors.New("another request")
		}
		return x.Reply(http.StatusOK, "text/plain", hello)
	}, nil)
	nc, in := dial(t, addr)
	a := &asker{nc: nc, in: in, raw: []byte(typical)}
	a.ask()
	require.Less(t, testing.AllocsPerRun(200, a.ask), 1.0)
}

func BenchmarkHello(b *testing.B) {
	for name, pipelined := range map[string]int{"one": 1, "pipelined16": 16} {
		for _, standard := range []bool{false, true} {
			b.Run(name+map[bool]string{false: "/weir", true: "/net-http"}[standard], func(b *testing.B) {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(b, err)
				if standard {
					srv := &http.Server{Handler: http.HandlerFunc(sayTyped)}
					go func() { _ = srv.Serve(ln) }()
					defer func() { _ = srv.Close() }()
				} else {
					srv := New(http.HandlerFunc(sayTyped), nil)
					go func() { _ = srv.Serve(b.Context(), ln) }()
					defer func() { _ = srv.Shutdown(b.Context()) }()
				}
				nc, err := net.Dial("tcp", ln.Addr().String())
				require.NoError(b, err)
				defer func() { _ = nc.Close() }()
				a := &asker{nc: nc, in: bufio.NewReaderSize(nc, 64<<10), raw: bytes.Repeat([]byte(typical), pipelined)}
				a.ask()
				a.hear(pipelined - 1)
				b.ReportAllocs()
				for b.Loop() {
					a.ask()
					a.hear(pipelined - 1)
				}
			})
		}
	}
}
