package servers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
	"golang.org/x/net/nettest"
)

// diary records the calls of hooks.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, fmt.Sprintf(format, args...))
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.entries...)
}

// await returns the entries once there are n.
func (d *diary) await(n int) []string {
	for len(d.all()) < n {
		runtime.Gosched()
	}
	return d.all()
}

func (d *diary) hooks() *servers.Hooks {
	return &servers.Hooks{
		Opened:          func(c *chanio.Conn, handshake time.Duration) { d.note("opened %v %v", c.Stats(), handshake > 0) },
		Closed:          func(c *chanio.Conn) { d.note("closed %v %v", c.Stats(), c.Cause()) },
		Returned:        func(_ *chanio.Conn, err error) { d.note("returned %v", err) },
		HandshakeFailed: func(peer net.Addr, err error) { d.note("handshake failed %s %v", peer.Network(), err != nil) },
		Refused:         func(peer net.Addr) { d.note("refused %s", peer.Network()) },
	}
}

func TestG20HooksAreTold(t *testing.T) {
	var d diary
	ln := listen(t, &servers.Config{Hooks: d.hooks()})
	serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
		chunk, err := c.In.Recv(ctx)
		if err != nil {
			return err
		}
		if string(chunk) == "panic" {
			panic("as asked")
		}
		return errors.Join(c.Out.Send(ctx, []byte("bye")), errors.New(string(chunk)))
	})
	nc := dial(t, ln)
	_, err := io.WriteString(nc, "hello")
	require.NoError(t, err)
	_, err = io.ReadAll(nc)
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	await(t, ln, 0)
	require.Equal(t, []string{"opened {0 0} false", "returned hello", "closed {5 3} <nil>"}, d.all())

	nc = dial(t, ln)
	_, err = io.WriteString(nc, "panic")
	require.NoError(t, err)
	_, err = io.ReadAll(nc)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	await(t, ln, 0)
	require.Len(t, d.all(), 6)
	require.Contains(t, d.all()[4], "returned ")
	require.Contains(t, d.all()[4], "as asked")
	require.Contains(t, d.all()[5], "closed {5 0} ")
	require.Contains(t, d.all()[5], "as asked")
}

func TestG20HooksAreToldOfHandshakes(t *testing.T) {
	var d diary
	secure, config := signed(t)
	ln := listenTLS(t, secure, &servers.Config{Hooks: d.hooks()})
	serveOn(t, t.Context(), ln, echo)
	nc := dial(t, ln)
	_, err := io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, nc)
	require.NoError(t, nc.Close())
	require.Equal(t, []string{"handshake failed tcp true"}, d.await(1)) // the reset may arrive first

	secured, err := tls.Dial("tcp", ln.Addr().String(), config)
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, secured, "hello"))
	require.NoError(t, secured.CloseWrite())
	_, _ = io.Copy(io.Discard, secured)
	require.NoError(t, secured.Close())
	await(t, ln, 0)
	require.ElementsMatch(t, []string{"opened {0 0} true", "returned <nil>", "closed {5 5} <nil>"}, d.all()[1:])
}

func TestMaxPerIPResetsOneTooMany(t *testing.T) {
	refused := make(chan net.Addr, 1)
	hooks := &servers.Hooks{Refused: func(peer net.Addr) { refused <- peer }}
	ln, _ := serve(t, &servers.Config{MaxPerIP: 2, MaxConns: 3, Hooks: hooks}, echo)
	a, b := dial(t, ln), dial(t, ln)
	say(t, a, "a")
	say(t, b, "b")
	for range 5 { // none of them keeps its place
		c, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			require.Equal(t, c.LocalAddr().String(), (<-refused).String())
			require.NoError(t, c.Close())
		} else {
			<-refused
		}
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
	other := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	nc, err := other.Dial("tcp", ln.Addr().String())
	if err == nil { // only Linux has all of 127/8
		require.Equal(t, "other", say(t, nc, "other"))
		require.NoError(t, nc.Close())
	}
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	await(t, ln, 0)
	again := dial(t, ln)
	require.Equal(t, "again", say(t, again, "again"))
	require.NoError(t, again.Close())
}

func TestMaxPerIPHoldsForHandshakes(t *testing.T) {
	secure, config := signed(t)
	failed := make(chan error, 2)
	hooks := &servers.Hooks{HandshakeFailed: func(_ net.Addr, err error) { failed <- err }}
	ln := listenTLS(t, secure, &servers.Config{MaxPerIP: 1, Hooks: hooks})
	serveOn(t, t.Context(), ln, echo)
	silent := dial(t, ln)
	_, err := silent.Write([]byte{22})
	require.NoError(t, err)
	_, err = tls.Dial("tcp", ln.Addr().String(), config) // the second one
	require.Error(t, err)
	_, err = io.WriteString(silent, "not a record")
	require.NoError(t, err)
	require.Error(t, <-failed)
	require.NoError(t, silent.Close())
	c, err := tls.Dial("tcp", ln.Addr().String(), config)
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, c, "hello"))
	require.NoError(t, c.Close())
}

// A handler that runs on has its place, although its connection has been released.
func TestMaxConnsCountsHandlersWhoseConnectionIsGone(t *testing.T) {
	var handlers atomic.Int32
	var free chan struct{} // made in the bubble
	handle := func(_ context.Context, c *chanio.Conn) error {
		handlers.Add(1)
		c.Abort(nil)
		<-free
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		free = make(chan struct{})
		ln, connect := listenInMemory(t, &servers.Config{MaxConns: 1})
		result := serveOn(t, t.Context(), ln, handle)
		for range 2 {
			defer connect().Close()
			synctest.Wait()
			require.EqualValues(t, 1, handlers.Load())
		}
		close(free)
		synctest.Wait()
		require.EqualValues(t, 2, handlers.Load())
		require.NoError(t, ln.Close())
		require.NoError(t, <-result)
	})
}

// A hook that takes its time keeps no place from others.
func TestAHookAboutAnEndHoldsNoPlace(t *testing.T) {
	secure, config := signed(t)
	plain := func(ln *servers.Listener) (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }
	for name, c := range map[string]struct {
		cfg   servers.Config
		again func(ln *servers.Listener) (net.Conn, error)
	}{
		"released": {servers.Config{}, plain},
		"handshake": {servers.Config{TLS: secure}, func(ln *servers.Listener) (net.Conn, error) {
			return tls.Dial("tcp", ln.Addr().String(), config)
		}},
		"header": {servers.Config{ProxyAlways: true}, func(ln *servers.Listener) (net.Conn, error) {
			nc, err := plain(ln)
			if err == nil {
				_, err = io.WriteString(nc, proxyLine)
			}
			return nc, err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			busy, done := make(chan struct{}, 2), make(chan struct{})
			hold := func() { busy <- struct{}{}; <-done }
			c.cfg.MaxConns, c.cfg.MaxPerIP = 1, 1
			c.cfg.Hooks = &servers.Hooks{Closed: func(*chanio.Conn) { hold() }, HandshakeFailed: func(net.Addr, error) { hold() }}
			ln, _ := serve(t, &c.cfg, func(ctx context.Context, c *chanio.Conn) error {
				_, err := codec.Recv(ctx, c.In, codec.Lines)
				return errors.Join(err, c.Out.Send(ctx, []byte("bye")))
			})
			defer close(done)
			first := dial(t, ln)
			_, err := io.WriteString(first, "neither TLS nor a header\n")
			require.NoError(t, err)
			_, _ = io.ReadAll(first)
			require.NoError(t, first.Close())
			<-busy
			second, err := c.again(ln)
			require.NoError(t, err)
			require.NoError(t, second.SetDeadline(time.Now().Add(time.Minute)))
			_, err = io.WriteString(second, "hello\n")
			require.NoError(t, err)
			_, err = io.ReadFull(second, make([]byte, 3))
			require.NoError(t, err)
			require.NoError(t, second.Close())
		})
	}
}

func TestWrapIsGivenEachConnection(t *testing.T) {
	var log logbook
	ln := listen(t, &servers.Config{Wrap: func(nc net.Conn) net.Conn {
		return chanio.LogActivity(nc, log.logger(), slog.LevelInfo, 16)
	}})
	serveOn(t, t.Context(), ln, echo)
	nc := dial(t, ln)
	require.Equal(t, "hello", say(t, nc, "hello"))
	require.NoError(t, nc.CloseWrite())
	_, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	await(t, ln, 0)
	lines := log.lines()
	require.Contains(t, lines[0], "opened")
	require.Contains(t, lines[1], "68 65 6c 6c 6f")
	require.Contains(t, lines[1], nc.LocalAddr().String())
	require.Contains(t, lines[len(lines)-1], "closed")
}

func TestARefusedConnectionInMemoryIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, connect := listenInMemory(t, &servers.Config{Wrap: func(net.Conn) net.Conn { return nil }})
		result := serveOn(t, t.Context(), ln, echo)
		nc := connect()
		_, err := nc.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.NoError(t, nc.Close())
		require.NoError(t, ln.Close())
		require.NoError(t, <-result)
	})
}

func TestALoggedNetConnIsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		nl, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer nl.Close()
		if b, err = net.Dial("tcp", nl.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if a, err = nl.Accept(); err != nil {
			return nil, nil, nil, err
		}
		var log logbook
		a = chanio.LogActivity(a, log.logger(), slog.LevelInfo, 8)
		return a, b, func() { _ = a.Close(); _ = b.Close() }, nil
	})
}

// sealed is an error that panics when it is unwrapped.
type sealed struct{}

func (*sealed) Error() string { return "sealed" }
func (*sealed) Unwrap() error { panic("unwrap") }

// The ctx of a handler ends before Hooks.Closed is called, also if a hook or the error of the handler panics.
func TestClosedMayWaitForGoroutinesOfItsHandler(t *testing.T) {
	for name, c := range map[string]struct {
		returned func(*chanio.Conn, error)
		handle   func() error
	}{
		"returned": {func(*chanio.Conn, error) { panic("returned") }, func() error { return nil }},
		"error":    {nil, func() error { return &sealed{} }},
		"handler":  {nil, func() error { panic("handler") }},
		"none":     {nil, func() error { return nil }},
	} {
		synctest.Test(t, func(t *testing.T) {
			helped := make(chan struct{})
			ln, connect := listenInMemory(t, &servers.Config{Hooks: &servers.Hooks{
				Returned: c.returned, Closed: func(*chanio.Conn) { <-helped },
			}})
			result := serveOn(t, t.Context(), ln, func(ctx context.Context, _ *chanio.Conn) error {
				go func() {
					<-ctx.Done()
					close(helped)
				}()
				return c.handle()
			})
			nc := connect()
			_, err := nc.Read(make([]byte, 1))
			require.Error(t, err, name)
			require.NoError(t, nc.Close())
			require.NoError(t, ln.Close(), name)
			require.NoError(t, <-result)
		})
	}
}
