package servers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// backend is a server that answers the first two bytes of each connection.
func backend(t *testing.T, reply string) (addr string) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			nc, err := nl.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(nc, make([]byte, 2))
			switch reply {
			case "":
				reset(nc.(*net.TCPConn))
			case "...":
				_, _ = io.Copy(io.Discard, nc)
			case ".":
				_ = nc.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, nc)
			default:
				_, _ = io.WriteString(nc, reply)
			}
			_ = nc.Close()
		}
	}()
	t.Cleanup(func() { _ = nl.Close(); <-over })
	return nl.Addr().String()
}

func reset(nc *net.TCPConn) {
	_ = nc.SetLinger(0)
	_ = nc.Close()
}

// Failures of a handler's own connections are its own: the log names the connection.
func TestG20AFailureOfABackendIsTheHandlers(t *testing.T) {
	word := codec.Prefixed(codec.Uint8, codec.RawString, codec.Max(10))
	ask := func(ctx context.Context, addr string) error {
		c, err := clients.DialTCP(ctx, addr, nil)
		if err != nil {
			return err
		}
		defer c.Out.Abort(nil)
		d := codec.Frame(c, word)
		if err := d.Out.Send(ctx, "x"); err != nil {
			return err
		}
		_, err = d.In.Recv(ctx)
		return err
	}
	call := func(ctx context.Context, addr string) error {
		cl := clients.NewClient(func(ctx context.Context) (*chanio.Conn, error) {
			return clients.DialTCP(ctx, addr, nil)
		}, word, word, &clients.ClientConfig[string, string]{Timeout: 200 * time.Millisecond})
		defer cl.Close()
		_, err := cl.Call(ctx, "x")
		return err
	}
	secure := func(ctx context.Context, addr string) error {
		_, err := clients.DialTLS(ctx, addr, nil, nil)
		return err
	}
	lend := func(ctx context.Context, addr string) error {
		p := clients.NewConnPool(func(ctx context.Context) (*chanio.Conn, error) {
			c, err := clients.DialTCP(ctx, addr, nil)
			if err != nil {
				return nil, err
			}
			defer c.Abort(nil)
			_ = c.Out.Send(ctx, []byte("me"))
			_, err = c.In.Recv(ctx) // the server's greeting
			return nil, err
		}, nil)
		_, err := p.Get(ctx)
		return errors.Join(err, p.Close())
	}
	for name, of := range map[string]struct {
		reply string // of the backend, which then closes, or resets if there is none; "..." means silence, "." none
		use   func(ctx context.Context, addr string) error
		names bool // the backend
	}{
		"reset":                    {"", ask, true},
		"truncated frame":          {"\x05ab", ask, false},
		"malformed frame":          {"\xff", ask, false},
		"call without a reply":     {"\x05", call, true},
		"call that is reset":       {"", call, true},
		"call that takes too long": {"...", call, true},
		"TLS server that closes":   {".", secure, true},
		"pool's dial that ends":    {".", lend, false},
		"pipe to a process": {"", func(context.Context, string) error {
			return &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			addr := backend(t, of.reply)
			var log logbook
			ln, result := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
				if _, err := c.In.Recv(ctx); err != nil {
					return err
				}
				return fmt.Errorf("backend: %w", of.use(ctx, addr))
			})
			nc := dial(t, ln)
			_, err := io.WriteString(nc, "x")
			require.NoError(t, err)
			_, err = io.ReadAll(nc)
			require.NoError(t, err)
			require.NoError(t, nc.Close())
			require.NoError(t, ln.Close())
			require.NoError(t, <-result)
			require.Len(t, log.lines(), 1)
			require.Contains(t, log.lines()[0], `level=WARN msg="servers: handler failed"`)
			if of.names {
				require.Contains(t, log.lines()[0], "->"+addr)
			}
		})
	}
}

// A failure of the served connection is its peer's, also behind a balancer with a header that names other addresses.
func TestG20AFailureBehindABalancerIsThePeers(t *testing.T) {
	var log logbook
	cfg := &servers.Config{Logger: log.logger(), ProxyAlways: true}
	ln, _ := serve(t, cfg, func(ctx context.Context, c *chanio.Conn) error {
		for {
			if _, err := c.In.Recv(ctx); err != nil {
				return fmt.Errorf("while reading: %w", err)
			}
			c.Out.TrySend([]byte("y"))
		}
	})
	nc := dial(t, ln)
	require.Equal(t, "y", func() string {
		_, err := io.WriteString(nc, "PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\nx")
		require.NoError(t, err)
		reply := make([]byte, 1)
		_, err = io.ReadFull(nc, reply)
		require.NoError(t, err)
		return string(reply)
	}())
	reset(nc)
	await(t, ln, 0)
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], `level=INFO msg="servers: connection failed"`)
	require.Contains(t, log.lines()[0], "peer=192.0.2.1:1000")
}

// A deadline that the handler sets for its peer expires because of the peer.
func TestG20ADeadlineOfTheConnectionIsThePeers(t *testing.T) {
	var log logbook
	ln, _ := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
		if _, err := c.In.Recv(ctx); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now()); err != nil {
			return err
		}
		_, err := c.In.Recv(ctx)
		return err
	})
	nc := dial(t, ln)
	_, err := io.WriteString(nc, "x")
	require.NoError(t, err)
	_, err = io.ReadAll(nc)
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	await(t, ln, 0)
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], `level=INFO msg="servers: connection failed"`)
}

// A record of TLS that cannot be decrypted is the peer's, although the error names no addresses.
func TestG20AFailureOfTLSIsThePeers(t *testing.T) {
	secure, config := signed(t)
	var log logbook
	ln, _ := serve(t, &servers.Config{Logger: log.logger(), TLS: secure}, func(ctx context.Context, c *chanio.Conn) error {
		for {
			if _, err := c.In.Recv(ctx); err != nil {
				return fmt.Errorf("while reading: %w", err)
			}
			c.Out.TrySend([]byte("y"))
		}
	})
	below := dial(t, ln)
	nc := tls.Client(below, config)
	_, err := io.WriteString(nc, "x")
	require.NoError(t, err)
	_, err = io.ReadFull(nc, make([]byte, 1))
	require.NoError(t, err)
	_, err = io.WriteString(below, "\x17\x03\x03\x00\x20"+strings.Repeat("?", 32))
	require.NoError(t, err)
	_, _ = io.ReadAll(below)
	require.NoError(t, below.Close())
	await(t, ln, 0)
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], `level=INFO msg="servers: connection failed"`)
}

// disguised is a net.Conn that returns another address than the errors of the one below.
type disguised struct{ net.Conn }

func (disguised) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1000} }

// A reset is the peer's also if Wrap has changed the addresses.
func TestG20AFailureBelowWrapIsThePeers(t *testing.T) {
	var log logbook
	cfg := &servers.Config{Logger: log.logger(), Wrap: func(nc net.Conn) net.Conn { return disguised{nc} }}
	ln, _ := serve(t, cfg, func(ctx context.Context, c *chanio.Conn) error {
		for {
			if _, err := c.In.Recv(ctx); err != nil {
				return fmt.Errorf("while reading: %w", err)
			}
			c.Out.TrySend([]byte("y"))
		}
	})
	nc := dial(t, ln)
	_, err := io.WriteString(nc, "x")
	require.NoError(t, err)
	_, err = io.ReadFull(nc, make([]byte, 1))
	require.NoError(t, err)
	reset(nc)
	await(t, ln, 0)
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], `level=INFO msg="servers: connection failed"`)
	require.Contains(t, log.lines()[0], "peer=192.0.2.1:1000")
}

// failsItself is logsAfterAByte for a failure that is the handler's.
func failsItself(t *testing.T, ln *servers.Listener, log *logbook) {
	t.Helper()
	logsAfterAByte(t, ln, log, `level=WARN msg="servers: handler failed"`)
}

// logsAfterAByte sends a byte to ln, and requires one line with want about the failure that follows.
func logsAfterAByte(t *testing.T, ln *servers.Listener, log *logbook, want string) {
	t.Helper()
	nc := dial(t, ln)
	_, err := io.WriteString(nc, "x")
	require.NoError(t, err)
	_, _ = io.ReadAll(nc)
	require.NoError(t, nc.Close())
	await(t, ln, 0)
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], want)
}

// A handler that ends its connection with an error that names no connection has failed itself.
func TestG20AnAbortWithAnErrorOfTheHandlerIsTheHandlers(t *testing.T) {
	var log logbook
	ln, _ := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
		if _, err := c.In.Recv(ctx); err != nil {
			return err
		}
		err := errors.New("the database is closed")
		c.Abort(err)
		return fmt.Errorf("while storing: %w", err)
	})
	failsItself(t, ln, &log)
}

// A handler that ends its connection with the error of a backend has failed itself.
func TestG20AnAbortWithAFailureOfABackendIsTheHandlers(t *testing.T) {
	addr := backend(t, "")
	var log logbook
	ln, _ := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
		if _, err := c.In.Recv(ctx); err != nil {
			return err
		}
		b, err := clients.DialTCP(ctx, addr, nil)
		if err != nil {
			return err
		}
		defer b.Abort(nil)
		if err := b.Out.Send(ctx, []byte("xy")); err != nil {
			return err
		}
		_, err = b.In.Recv(ctx)
		c.Abort(err)
		return err
	})
	failsItself(t, ln, &log)
	require.Contains(t, log.lines()[0], "->"+addr)
}

// A timeout may name no connection: it is the peer's if it is about the served connection or a stage on that.
func TestG20ATimeoutThatNamesNoConnectionIsOfWhomItConcerns(t *testing.T) {
	word := codec.Prefixed(codec.Uint32, codec.RawString, codec.Max(1<<20))
	large := [][]byte{make([]byte, 1<<20), make([]byte, 1<<20)}
	within := &pipeline.ConnectConfig{SendTimeout: time.Second}
	for name, of := range map[string]struct {
		peer bool
		use  func(ctx context.Context, c, b *chanio.Conn) error // b is of a backend that neither reads nor writes
	}{
		"SendTimeout": {true, func(ctx context.Context, c, b *chanio.Conn) error {
			return pipeline.ConnectWith(ctx, chanio.FromSlice(large), c.Out, within)
		}},
		"SendTimeout of frames": {true, func(ctx context.Context, c, b *chanio.Conn) error {
			words := []string{string(large[0][1:]), "x"}
			err := pipeline.ConnectWith(ctx, chanio.FromSlice(words), codec.Encode(c.Out, word), within)
			return fmt.Errorf("words: %w", err)
		}},
		"SendTimeout to a backend": {false, func(ctx context.Context, c, b *chanio.Conn) error {
			return pipeline.ConnectWith(ctx, chanio.FromSlice(large), b.Out, within)
		}},
		"Timeout": {true, func(ctx context.Context, c, b *chanio.Conn) error {
			_, err := pipeline.Timeout(c.In, time.Second).Recv(ctx)
			return err
		}},
		"Timeout of a backend": {false, func(ctx context.Context, c, b *chanio.Conn) error {
			_, err := pipeline.Timeout(b.In, time.Second).Recv(ctx)
			return err
		}},
		"Future": {false, func(ctx context.Context, c, b *chanio.Conn) error {
			_, err := new(future.Future[int]).WithTimeout(time.Second).Await(ctx)
			return err
		}},
		"close": {true, func(ctx context.Context, c, b *chanio.Conn) error {
			_ = c.Out.Send(ctx, large[0])
			return c.Close()
		}},
		"close of a backend": {false, func(ctx context.Context, c, b *chanio.Conn) error {
			_ = b.Out.Send(ctx, large[0])
			return b.Close()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logbook
				ln, connect := listenInMemory(t, &servers.Config{Logger: log.logger()})
				result := serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
					if _, err := c.In.Recv(ctx); err != nil {
						return err
					}
					b, far := chanio.Pipe()
					defer far.Abort(nil)
					defer b.Abort(nil)
					ctx, cancel := context.WithTimeout(ctx, time.Minute)
					defer cancel()
					return of.use(ctx, c, b)
				})
				nc := connect()
				_, err := nc.Write([]byte("x"))
				require.NoError(t, err)
				time.Sleep(2 * time.Minute)
				require.NoError(t, nc.Close())
				require.NoError(t, ln.Close())
				require.NoError(t, <-result)
				want := `level=WARN msg="servers: handler failed"`
				if of.peer {
					want = `level=INFO msg="servers: connection failed"`
				}
				require.Len(t, log.lines(), 1)
				require.Contains(t, log.lines()[0], want)
			})
		})
	}
}

// What an error says of its connection counts, not which package made it.
func TestG20AnErrorIsOfTheConnectionThatItNames(t *testing.T) {
	copied := func(addr net.Addr) net.Addr { a := *addr.(*net.TCPAddr); return &a }
	for _, test := range []struct {
		names func(op *net.OpError, c *chanio.Conn)
		want  string
	}{
		{func(op *net.OpError, c *chanio.Conn) {
			op.Source, op.Addr = copied(c.LocalAddr()), copied(c.RemoteAddr())
		}, "level=INFO"},
		{func(op *net.OpError, c *chanio.Conn) {
			op.Source, op.Addr = copied(c.RemoteAddr()), copied(c.LocalAddr())
		}, "level=WARN"},
		{func(op *net.OpError, c *chanio.Conn) { op.Addr = copied(c.RemoteAddr()) }, "level=WARN"},
		{func(op *net.OpError, c *chanio.Conn) { op.Source = copied(c.LocalAddr()) }, "level=WARN"},
	} {
		var log logbook
		ln, _ := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
			_, err := c.In.Recv(ctx)
			require.NoError(t, err)
			op := &net.OpError{Op: "call", Net: "tcp", Err: os.ErrDeadlineExceeded}
			test.names(op, c)
			return op
		})
		logsAfterAByte(t, ln, &log, test.want)
	}
}

func TestG20AFailedHandshakeAfterSTARTTLSIsThePeers(t *testing.T) {
	cert, _, err := servers.SelfSigned("localhost")
	require.NoError(t, err)
	var log logbook
	ln, _ := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
		if _, err := c.In.Recv(ctx); err != nil {
			return err
		}
		if err := c.Out.Send(ctx, []byte("220 Go\n")); err != nil {
			return err
		}
		_, err := chanio.TLSServer(ctx, c, &tls.Config{Certificates: []tls.Certificate{cert}}, nil)
		return err
	})
	nc := dial(t, ln)
	_, err = io.WriteString(nc, "STARTTLS\n")
	require.NoError(t, err)
	_, err = io.ReadFull(nc, make([]byte, len("220 Go\n")))
	require.NoError(t, err)
	_, err = io.WriteString(nc, strings.Repeat("garbage\n", 10))
	require.NoError(t, err)
	_, _ = io.ReadAll(nc)
	require.NoError(t, nc.Close())
	await(t, ln, 0)
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], `level=INFO msg="servers: connection failed"`)
}
