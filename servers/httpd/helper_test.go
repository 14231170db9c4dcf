package httpd

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience limits what a test waits for. Nothing should take so long.
const patience = 10 * time.Second

// start serves handler with a Server of this package until the test ends, and returns its address.
func start(t *testing.T, handler http.Handler, cfg *Config) string {
	t.Helper()
	addr, _ := startServer(t, handler, cfg)
	return addr
}

func startServer(t *testing.T, handler http.Handler, cfg *Config) (addr string, srv *Server) {
	t.Helper()
	srv = New(handler, cfg)
	return startWith(t, srv), srv
}

// startWith serves with srv until the test ends, and returns its address.
func startWith(t *testing.T, srv *Server) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-served:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Error("Serve does not return")
		}
	})
	return ln.Addr().String()
}

// startStandard serves handler with net/http, which is the oracle.
func startStandard(t *testing.T, handler http.Handler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(ln) }() // until Close
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().String()
}

// reply is what a client sees of a response.
type reply struct {
	status   int
	header   http.Header
	body     string
	trailer  http.Header
	chunked  bool
	length   int64
	complete bool
}

// unify removes what two servers may say in different ways: header fields, and the boundary of several ranges.
func (r *reply) unify(fields ...string) {
	for _, name := range fields {
		r.header.Del(name)
	}
	if kind, boundary, ok := strings.Cut(r.header.Get("Content-Type"), "; boundary="); ok && kind == "multipart/byteranges" {
		r.body = strings.ReplaceAll(r.body, boundary, "boundary")
		r.header.Set("Content-Type", kind)
	}
}

// talk sends raw to addr and returns the replies to requests with those methods. ended reports whether the server then
// closed the connection, which talk checks with another request.
func talk(t *testing.T, addr, raw string, methods ...string) (replies []reply, ended bool) {
	t.Helper()
	return talkOn(t, addr, raw, func(so []reply) string {
		if len(so) == len(methods) {
			return ""
		}
		return methods[len(so)]
	})
}

// talkOn is talk for the methods that next returns, given the replies so far, until it returns "".
func talkOn(t *testing.T, addr, raw string, next func([]reply) string) (replies []reply, ended bool) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = nc.Close() }()
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(nc, raw)
	require.NoError(t, err)
	in := bufio.NewReader(nc)
	for method := next(nil); method != ""; method = next(replies) {
		r, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return replies, true
		}
		replies = append(replies, readReply(t, r))
	}
	_, _ = io.WriteString(nc, "HEAD / HTTP/1.1\r\nHost: probe\r\n\r\n") // may fail if the server has closed
	_, err = http.ReadResponse(in, &http.Request{Method: http.MethodHead})
	return replies, err != nil
}

func readReply(t *testing.T, r *http.Response) reply {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.ContentLength > 0 && r.Request.Method != http.MethodHead {
		require.EqualValues(t, r.ContentLength, len(body))
	}
	header := r.Header.Clone()
	if date := header.Get("Date"); date != "" {
		_, err := http.ParseTime(date)
		require.NoError(t, err)
		header.Set("Date", "some")
	}
	return reply{
		status: r.StatusCode, header: header, body: string(body), trailer: r.Trailer,
		chunked: len(r.TransferEncoding) > 0, length: r.ContentLength, complete: err == nil,
	}
}

// rawReply sends raw, closes its side, and returns everything that it receives.
func rawReply(t *testing.T, addr, raw string) string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = nc.Close() }()
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(nc, raw)
	require.NoError(t, err)
	_ = nc.(*net.TCPConn).CloseWrite() // fails if the server has reset
	all, _ := io.ReadAll(nc)           // a reset may follow
	return string(all)
}

// dial opens a connection that is closed when the test ends.
func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	return nc, bufio.NewReader(nc)
}

func statusLine(raw string) string {
	line, _, _ := strings.Cut(raw, "\r\n")
	return line
}

// lockedBuffer is a buffer for a Logger, safe for concurrent use.
type lockedBuffer struct {
	ch  chan struct{}
	buf bytes.Buffer
}

func newLockedBuffer() *lockedBuffer { return &lockedBuffer{ch: make(chan struct{}, 1)} }

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.ch <- struct{}{}
	defer func() { <-b.ch }()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.ch <- struct{}{}
	defer func() { <-b.ch }()
	return b.buf.String()
}

func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }
