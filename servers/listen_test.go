package servers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/internal/freeport"
	"github.com/weir-go/weir/servers"
)

func TestListenServesOnAListenerFromElsewhere(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln, err := servers.Listen(nl, nil)
	require.NoError(t, err)
	require.Equal(t, nl.Addr(), ln.Addr())
	result := serveOn(t, t.Context(), ln, echo)
	nc := dial(t, ln)
	require.Equal(t, "hello", say(t, nc, "hello"))
	require.NoError(t, nc.Close())
	require.NoError(t, ln.Close())
	require.NoError(t, <-result)
	_, err = nl.Accept()
	require.ErrorIs(t, err, net.ErrClosed, "the Listener owned it")
}

// The in-memory network has its own kind of listener.
func TestListenServesInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		nl, err := network.Listen("server")
		require.NoError(t, err)
		ln, err := servers.Listen(nl, nil)
		require.NoError(t, err)
		require.Equal(t, "mem server (listening, 0 open)", ln.String())
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- ln.Serve(ctx, echo) }()
		c, err := network.Dial(t.Context(), "server")
		require.NoError(t, err)
		require.NoError(t, c.Out.Send(t.Context(), []byte("hello")))
		chunk, err := c.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", string(chunk))
		require.NoError(t, c.Close())
		cancel()
		require.NoError(t, <-result)
	})
}

// plainListener has no deadline.
type plainListener struct{ nl net.Listener }

func (l plainListener) Accept() (net.Conn, error) { return l.nl.Accept() }
func (l plainListener) Close() error              { return l.nl.Close() }
func (l plainListener) Addr() net.Addr            { return l.nl.Addr() }

func TestListenEndsOnAListenerWithoutDeadlines(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln, err := servers.Listen(plainListener{nl}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	result := serveOn(t, ctx, ln, echo)
	nc := dial(t, ln)
	say(t, nc, "hello")
	require.NoError(t, nc.Close())
	cancel()
	require.NoError(t, <-result)
}

func TestTLSSecuresAListenerFromElsewhere(t *testing.T) {
	secure, config := signed(t)
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln, err := servers.Listen(nl, &servers.Config{TLS: secure})
	require.NoError(t, err)
	serveOn(t, t.Context(), ln, echo)
	nc, err := tls.Dial("tcp", nl.Addr().String(), config)
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, nc, "hello"))
	require.NoError(t, nc.Close())
}

func TestListenRefusesWhatItCannotHonour(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer nl.Close()
	_, err = servers.Listen(nl, &servers.Config{Control: func(string, string, syscall.RawConn) error { return nil }})
	require.ErrorContains(t, err, "too late for Control and ReusePort")
	_, err = servers.Listen(nl, &servers.Config{ReusePort: true})
	require.ErrorContains(t, err, "too late for Control and ReusePort")
	_, err = servers.Listen(nl, &servers.Config{TLS: &servers.TLSConfig{}})
	require.ErrorContains(t, err, "no certificate")
	require.PanicsWithValue(t, "servers: Listen: the net.Listener is nil", func() { _, _ = servers.Listen(nil, nil) })

	nc, err := net.Dial("tcp", nl.Addr().String()) // the caller still owns it
	require.NoError(t, err)
	require.NoError(t, nc.Close())
}

func TestFileOfWhatIsNoSocketIsRefused(t *testing.T) {
	var network chaniotest.Network
	nl, err := network.Listen("server")
	require.NoError(t, err)
	ln, err := servers.Listen(nl, nil)
	require.NoError(t, err)
	defer ln.Close()
	_, err = ln.File()
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "server has no descriptor")
}

// foreign is a net.Conn that hides the one below.
type foreign struct{ net.Conn }

func (f foreign) CloseWrite() error { return f.Conn.(*net.TCPConn).CloseWrite() }

type foreignListener struct{ net.Listener }

func (l foreignListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return foreign{nc}, nil
}

func TestG7ListenDeliversTheLastByteOverSomebodysConn(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln, err := servers.Listen(foreignListener{nl}, nil)
	require.NoError(t, err)
	serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
		return c.Out.Send(ctx, make([]byte, 1<<20))
	})
	nc := dial(t, ln)
	got, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Len(t, got, 1<<20)
	require.NoError(t, nc.Close())
}

func TestTheAddressIsFreeWhenServeHasReturned(t *testing.T) {
	for range 50 {
		ln, err := servers.ListenTCP(freeport.Addr(t), nil) // nobody else gets it meanwhile
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		result := serveOn(t, ctx, ln, echo)
		cancel()
		require.NoError(t, <-result)
		again, err := servers.ListenTCP(ln.Addr().String(), nil)
		require.NoError(t, err)
		require.NoError(t, again.Close())
	}
}
