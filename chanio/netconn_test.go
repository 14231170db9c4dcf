package chanio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"golang.org/x/net/nettest"
)

// tcpConns returns two connected TCP Conns.
func tcpConnPair(t testing.TB, cfg *chanio.ConnConfig) (a, b *chanio.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	accepted, err := ln.Accept()
	require.NoError(t, err)
	a, b = chanio.NewConn(dialled, cfg), chanio.NewConn(accepted, cfg)
	t.Cleanup(func() {
		a.Abort(nil)
		b.Abort(nil)
	})
	return a, b
}

func TestAsNetConnIsANetConn(t *testing.T) {
	for name, pipe := range map[string]func() (a, b *chanio.Conn){
		"memory": chanio.Pipe,
		"TCP":    func() (a, b *chanio.Conn) { return tcpConnPair(t, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				a, b := pipe()
				stop = func() {
					closed := make(chan struct{})
					go func() {
						defer close(closed)
						_ = a.Close()
						_ = b.Close()
					}()
					select { // a test may leave behind a goroutine that is in Close, which an abort would make fail
					case <-closed:
					case <-time.After(100 * time.Millisecond): // one that left data unread
					}
					a.Abort(nil)
					b.Abort(nil)
					<-closed
				}
				return chanio.AsNetConn(a), chanio.AsNetConn(b), stop, nil
			})
		})
	}
}

func TestAReadThatADeadlineEndsLosesNoByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := chanio.Pipe()
		nc := chanio.AsNetConn(a)
		require.NoError(t, nc.SetReadDeadline(time.Now().Add(time.Second)))
		p := make([]byte, 8)
		_, err := nc.Read(p)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
		require.NoError(t, b.Out.Send(t.Context(), []byte("late")))
		require.NoError(t, nc.SetReadDeadline(time.Time{}))
		n, err := nc.Read(p)
		require.NoError(t, err)
		require.Equal(t, "late", string(p[:n]))
		require.NoError(t, b.Close())
		_, err = nc.Read(p)
		require.Equal(t, io.EOF, err)
		require.NoError(t, nc.Close())
		require.ErrorIs(t, nc.SetDeadline(time.Time{}), net.ErrClosed)
		_, err = nc.Write(p)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestTheCountOfAWriteIsWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := chanio.Pipe()
		nc := chanio.AsNetConn(a)
		require.NoError(t, nc.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := nc.Write(make([]byte, 1<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Positive(t, n)
		go nc.Close()
		all, err := chanio.ReadAll(t.Context(), b.In, 2<<20)
		require.NoError(t, err)
		require.Len(t, all, n)
		require.NoError(t, b.Close())
	})
}

func TestNewConnOfANetConnIsItsConn(t *testing.T) {
	a, b := chanio.Pipe()
	require.Same(t, a, chanio.NewConn(chanio.AsNetConn(a), nil))
	require.NoError(t, b.Out.Send(t.Context(), []byte("x")))
	p, err := a.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "x", string(p))
	a.Abort(nil)
	b.Abort(nil)
}

func TestNetHTTPRunsOverConns(t *testing.T) {
	a, b := tcpConnPair(t, nil)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte("echo "), body...))
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(&oneConn{conn: chanio.AsNetConn(b), closed: make(chan struct{})}) }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return chanio.AsNetConn(a), nil
	}}}
	for range 3 {
		resp, err := client.Post("http://memory/", "text/plain", newBody("hello"))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "echo hello", string(body))
	}
	client.CloseIdleConnections()
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	<-b.Done()
}

func newBody(s string) io.Reader { return &onceReader{s} }

// onceReader hides its length from net/http, so that the body is chunked.
type onceReader struct{ s string }

func (r *onceReader) Read(p []byte) (int, error) {
	if r.s == "" {
		return 0, io.EOF
	}
	n := copy(p, r.s)
	r.s = r.s[n:]
	return n, nil
}

// oneConn is a net.Listener of one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, errors.New("no more")
}

func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func TestASecondCloseOfANetConnSaysThatItIsClosed(t *testing.T) {
	a, b := chanio.Pipe()
	defer b.Abort(nil)
	require.NoError(t, b.Out.Close())
	nc := chanio.AsNetConn(a)
	require.NoError(t, nc.Close())
	require.ErrorIs(t, nc.Close(), net.ErrClosed)
}

func TestG2AReadOfANetConnHeedsADeadlineInThePast(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	nc := chanio.AsNetConn(chanio.NewConn(near, &chanio.ConnConfig{Prefix: []byte("hello")}))
	defer func() { _ = nc.Close() }()
	p := make([]byte, 8)
	require.NoError(t, nc.SetReadDeadline(time.Unix(1, 0)))
	for range 20 {
		_, err := nc.Read(p)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	require.NoError(t, nc.SetReadDeadline(time.Time{}))
	n, err := nc.Read(p)
	require.NoError(t, err)
	require.Equal(t, "hello", string(p[:n]))
}

// toNetConn returns what is written to a net.Conn over halves without a socket.
func toNetConn() (*chanio.Source[[]byte], net.Conn) {
	from, to := chanio.PipeOf[[]byte](0)
	none, _ := chanio.PipeOf[[]byte](0)
	return from, chanio.AsNetConn(chanio.ConnOf(none, to, nil))
}

func TestAWriteWhoseDeadlinePassesAndIsMovedAtOnceCountsWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, nc := toNetConn()
		wrote := make(chan int, 1)
		var err error
		go func() {
			var n int
			n, err = nc.Write([]byte("hello"))
			wrote <- n
		}()
		synctest.Wait()
		require.NoError(t, nc.SetWriteDeadline(time.Unix(1, 0)))
		require.NoError(t, nc.SetWriteDeadline(time.Time{})) // usually before the writer runs
		require.Zero(t, <-wrote)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		go func() { _ = nc.Close() }()
		_, err = from.Recv(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

func TestG10WritesOfANetConnAreNotInterleaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 200 << 10 // several pieces
		from, nc := toNetConn()
		for _, c := range "xy" {
			go func() { _, _ = nc.Write(bytes.Repeat([]byte(string(c)), size)) }()
			synctest.Wait()
		}
		var got []byte
		for len(got) < 2*size {
			p, err := from.Recv(t.Context())
			require.NoError(t, err)
			got = append(got, p...)
			synctest.Wait()
		}
		require.Equal(t, size, bytes.IndexByte(got, 'y'))
		require.Equal(t, size-1, bytes.LastIndexByte(got, 'x'))
		require.NoError(t, nc.Close())
	})
}
