package httpd

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// endless is a connection that supplies the next request whenever it is read, up to a number, and discards what is
// written, so that only the server is measured.
type endless struct {
	request []byte
	left    int
}

func (c *endless) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	return copy(p, c.request), nil
}

func (c *endless) Write(p []byte) (int, error)      { return len(p), nil }
func (c *endless) TryWrite(p []byte) (int, error)   { return len(p), nil }
func (c *endless) WaitWrite(context.Context) error  { return nil }
func (c *endless) Close() error                     { return nil }
func (c *endless) CloseWrite() error                { return nil }
func (c *endless) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *endless) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (c *endless) SetDeadline(time.Time) error      { return nil }
func (c *endless) SetReadDeadline(time.Time) error  { return nil }
func (c *endless) SetWriteDeadline(time.Time) error { return nil }

// oneConn is a listener that accepts one connection.
type oneConn struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	close(l.closed)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

const short = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:12345\r\n\r\n"

// BenchmarkEngine measures the server's own time for a request, without a socket.
func BenchmarkEngine(b *testing.B) {
	reply := []byte("Hello, World!")
	for name, server := range map[string]func() *Server{
		"native": func() *Server {
			return NewNative(func(_ context.Context, x Exchange) error {
				return x.Reply(http.StatusOK, "text/plain; charset=utf-8", reply)
			}, nil)
		},
		"handler": func() *Server {
			return New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				_, _ = io.WriteString(w, "Hello, World!")
			}), nil)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ln := &oneConn{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
			ctx, cancel := context.WithCancel(b.Context())
			ln.conns <- ending{&endless{request: []byte(short), left: b.N}, cancel}
			_ = server().Serve(ctx, ln)
		})
	}
}

// ending is an endless connection that ends the server when it is closed.
type ending struct {
	*endless
	end func()
}

func (c ending) Close() error {
	c.end()
	return nil
}
