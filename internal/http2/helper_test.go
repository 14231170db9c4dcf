package http2

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// testPatience limits what a test waits for. Nothing should take so long.
const testPatience = 20 * time.Second

// serveFunc is a Server that passes each request, with a copy of the head, to a function.
type serveFunc func(x *exchange)

// exchange is a request that a serveFunc handles.
type exchange struct {
	*Stream
	request Request
	handle  serveFunc

	mu   sync.Mutex
	why  *StreamError
	gone chan struct{}
}

func (f serveFunc) Accept(s *Stream, r *Request) Handler {
	x := &exchange{Stream: s, request: *r, handle: f, gone: make(chan struct{})}
	x.request.Fields = slices.Clone(r.Fields)
	return x
}

func (x *exchange) Serve() { x.handle(x) }

func (x *exchange) Gone(why *StreamError) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.why == nil {
		x.why = why
		close(x.gone)
	}
}

func (x *exchange) respond(status int, body string) {
	_ = x.Out.Respond(context.Background(), []Field{{Name: ":status", Value: strconv.Itoa(status)}}, []byte(body), true, nil)
}

func (x *exchange) readAll() (string, error) {
	all, err := io.ReadAll(reader{&x.In})
	return string(all), err
}

// reader makes a Reader an io.Reader.
type reader struct{ in *Reader }

func (r reader) Read(p []byte) (int, error) { return r.in.Read(context.Background(), p) }

// startServer serves one connection until the test ends, and returns its other side.
func startServer(t *testing.T, cfg *Config, handle serveFunc) (*chanio.Conn, *Conn) {
	t.Helper()
	here, there := chanio.Pipe()
	src := chanio.BytesOf(here.In)
	server := NewServer(here, src, handle, cfg)
	ran(t, here, func(ctx context.Context) error { return server.Serve(ctx) })
	t.Cleanup(func() { there.Abort(nil) })
	return there, server
}

// ran runs f until the test ends, and then closes the connection.
func ran(t *testing.T, nc *chanio.Conn, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = f(ctx)
		_ = nc.Close()
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-over:
		case <-time.After(testPatience):
			t.Error("the connection does not end")
		}
	})
}

// connect returns both sides of a connection.
func connect(t *testing.T, server, client *Config, handle serveFunc) (c, s *Conn) {
	t.Helper()
	there, s := startServer(t, server, handle)
	c = NewClient(there, client)
	ran(t, there, c.Run)
	return c, s
}

func get(path string) []Field { return request("GET", path) }

func request(method, path string, more ...string) []Field {
	fields := []Field{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"},
		{Name: ":authority", Value: "example.org"}, {Name: ":path", Value: path},
	}
	for i := 0; i < len(more); i += 2 {
		fields = append(fields, Field{Name: more[i], Value: more[i+1]})
	}
	return fields
}

// ask opens a stream without a body, and returns the final head and the body of its response.
func ask(t *testing.T, c *Conn, fields []Field) (*Head, string) {
	t.Helper()
	s, err := c.Open(t.Context(), fields, true)
	require.NoError(t, err)
	return answer(t, s)
}

func answer(t *testing.T, s *Stream) (*Head, string) {
	t.Helper()
	h, err := s.Head(t.Context())
	require.NoError(t, err)
	for h.Informational() {
		h, err = s.Head(t.Context())
		require.NoError(t, err)
	}
	body, err := io.ReadAll(reader{&s.In})
	require.NoError(t, err)
	return h, string(body)
}

func codeOf(err error) Code {
	var s *StreamError
	var c *ConnError
	switch {
	case errors.As(err, &s):
		return s.Code
	case errors.As(err, &c):
		return c.Code
	}
	return 0xffff
}
