package httpc

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testPatience limits how long a test waits. Nothing is expected to take that long.
const testPatience = 20 * time.Second

// newClient returns a Client that is closed at the end of the test, which fails if a connection remains open.
func newClient(t *testing.T, cfg *Config) *Client {
	t.Helper()
	c := New(cfg)
	t.Cleanup(func() {
		require.NoError(t, c.Close())
		for _, s := range c.Stats() {
			require.Zero(t, s.Idle+s.Dialing+s.Waiting, "%+v", s)
		}
	})
	return c
}

// serve serves handler with net/http until the test ends, and returns its URL.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(ln) }() // returns after Close
	t.Cleanup(func() { _ = srv.Close() })
	return "http://" + ln.Addr().String()
}

// rawServer answers the n-th connection with the n-th function, and all later ones with the last. It counts
// connections.
type rawServer struct {
	url string
	ln  net.Listener
	wg  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func raw(t *testing.T, answers ...func(nc net.Conn, in *bufio.Reader)) *rawServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &rawServer{ln: ln, url: "http://" + ln.Addr().String()}
	s.wg.Go(func() {
		for n := 0; ; n++ {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, nc)
			s.mu.Unlock()
			_ = nc.SetDeadline(time.Now().Add(testPatience))
			answer := answers[min(n, len(answers)-1)]
			s.wg.Go(func() {
				defer func() { _ = nc.Close() }()
				answer(nc, bufio.NewReader(nc))
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		s.mu.Lock()
		for _, nc := range s.conns {
			_ = nc.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

// accepted returns the number of connections accepted.
func (s *rawServer) accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// says answers each request with text until the client closes the connection.
func says(text string) func(net.Conn, *bufio.Reader) {
	return func(nc net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			if _, err := io.WriteString(nc, text); err != nil {
				return
			}
		}
	}
}

// saysOnce reads a request, answers with text and closes the connection.
func saysOnce(text string) func(net.Conn, *bufio.Reader) {
	return func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, text)
		}
	}
}

// readRequest reads a request with its body, or returns nil.
func readRequest(in *bufio.Reader) *http.Request {
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil
	}
	_, _ = io.Copy(io.Discard, r.Body)
	return r
}

// text gets a URL and returns the status and the body.
func text(t *testing.T, c *Client, url string) (int, string) {
	t.Helper()
	resp, err := c.Get(t.Context(), url)
	require.NoError(t, err)
	body, err := resp.Text(t.Context())
	require.NoError(t, err)
	return resp.Status, body
}

// newRequest is http.NewRequest for tests.
func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return r
}

// echo responds with the request body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Type", r.Header.Get("Content-Type"))
	_, _ = w.Write(body)
}

// hello is a response.
const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// closeRecorder is a body that records whether it was closed.
type closeRecorder struct {
	io.Reader
	once   sync.Once
	closed chan struct{}
}

func recordClose(r io.Reader) *closeRecorder {
	return &closeRecorder{Reader: r, closed: make(chan struct{})}
}

func (c *closeRecorder) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *closeRecorder) requireClosed(t *testing.T) {
	t.Helper()
	select {
	case <-c.closed:
	case <-time.After(testPatience):
		t.Fatal("the body is not closed")
	}
}

func long(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }

func readerOf(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }
