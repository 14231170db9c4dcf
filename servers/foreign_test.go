package servers_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/servers"
)

// withStrange serves on a listener whose first connections are replaced by the results of the given functions.
func withStrange(t *testing.T, cfg servers.Config, make ...func(net.Conn) net.Conn) *servers.Listener {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &strange{Listener: nl}
	for _, f := range make {
		s.do = append(s.do, func() (net.Conn, error) {
			nc, err := nl.Accept()
			return f(nc), err
		})
	}
	ln, err := servers.Listen(s, &cfg)
	require.NoError(t, err)
	serveOn(t, t.Context(), ln, echo)
	return ln
}

// restless returns a different address on each call.
type restless struct {
	net.Conn
	asked *atomic.Uint32
}

func (c restless) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(c.asked.Add(1))}), 1))
}

// A connection is uncounted under the address that it was counted under.
func TestG16AForeignConnMayChangeItsAddress(t *testing.T) {
	secure, config := signed(t)
	for _, cfg := range []servers.Config{{MaxPerIP: 1}, {MaxPerIP: 1, TLS: secure}} {
		strange := func(nc net.Conn) net.Conn { return restless{nc, new(atomic.Uint32)} } // always the same at first
		ln := withStrange(t, cfg, strange, strange, strange)
		for range 3 {
			nc := net.Conn(dial(t, ln))
			if cfg.TLS != nil {
				nc = tls.Client(nc, config)
			}
			require.Equal(t, "hello", say(t, nc, "hello"))
			require.NoError(t, nc.Close())
			await(t, ln, 0)
		}
	}
}

// misplaced panics when asked for its address.
type misplaced struct{ net.Conn }

func (misplaced) RemoteAddr() net.Addr { panic("boom: RemoteAddr") }

func TestG16AForeignConnThatPanicsAboutItsAddressIsServed(t *testing.T) {
	secure, config := signed(t)
	for _, cfg := range []servers.Config{{MaxConns: 1}, {MaxConns: 1, TLS: secure}} {
		var log logbook
		cfg.Logger = log.logger()
		ln := withStrange(t, cfg, func(nc net.Conn) net.Conn { return misplaced{nc} })
		for range 2 {
			nc := net.Conn(dial(t, ln))
			if cfg.TLS != nil {
				nc = tls.Client(nc, config)
			}
			require.Equal(t, "hello", say(t, nc, "hello"))
			require.NoError(t, nc.Close())
		}
		await(t, ln, 0)
		require.Contains(t, log.lines()[0], "boom: RemoteAddr")
	}
}

// blurred has an address that panics when it is printed.
type blurred struct{ net.Conn }

type blurredAddr struct{ net.Addr }

func (blurredAddr) String() string { panic("boom: String") }

func (b blurred) RemoteAddr() net.Addr { return blurredAddr{b.Conn.RemoteAddr()} }

type blurredListener struct{ net.Listener }

func (b blurredListener) Addr() net.Addr { return blurredAddr{b.Listener.Addr()} }

func TestG16AnAddressThatCannotBePrintedIsUnknown(t *testing.T) {
	var log logbook
	cfg := servers.Config{MaxConns: 1, Logger: log.logger()}
	ln := withStrange(t, cfg, func(nc net.Conn) net.Conn { return blurred{nc} })
	nc := dial(t, ln)
	require.Equal(t, "hello", say(t, nc, "hello"))
	reset(nc)
	await(t, ln, 0)
	lines := log.lines()
	require.Contains(t, lines[0], "boom: String")
	require.Contains(t, lines[len(lines)-1], "peer=unknown")

	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln, err = servers.Listen(blurredListener{nl}, nil)
	require.NoError(t, err)
	require.Equal(t, "unknown", ln.Addr().String())
	require.NoError(t, ln.Close())
}

// homeless is a listener without an address.
type homeless struct{ net.Listener }

func (homeless) Addr() net.Addr { return nil }

func TestAForeignListenerMayHaveNoAddress(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var log logbook
	ln, err := servers.Listen(homeless{&strange{nl, []func() (net.Conn, error){
		func() (net.Conn, error) { return nil, passing{} },
	}}}, &servers.Config{Logger: log.logger()})
	require.NoError(t, err)
	require.Equal(t, "unknown unknown (listening, 0 open)", ln.String())
	serveOn(t, t.Context(), ln, echo)
	nc, err := net.Dial("tcp", nl.Addr().String())
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, nc, "hello"))
	require.NoError(t, nc.Close())
	require.NoError(t, ln.Close())
	require.Contains(t, log.lines()[0], "addr=unknown")
}

// Serve fails if the net.Listener was closed by other code.
func TestG15ServeSaysThatSomebodyElseHasClosedItsListener(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln, err := servers.Listen(nl, nil)
	require.NoError(t, err)
	require.NoError(t, nl.Close())
	require.ErrorContains(t, ln.Serve(t.Context(), echo), "servers: the net.Listener was closed by other code")
}

// Only the Listener itself ends cleanly. A multiplexer, for one, returns io.EOF when its connection ends.
func TestG1AForeignListenerThatFailsWithEOFIsNoCleanEnd(t *testing.T) {
	for cfg, fails := range map[*servers.Config]error{
		{}: io.EOF, {ProxyAlways: true}: io.EOF, {MaxConns: 1}: fmt.Errorf("mux: %w", io.EOF),
	} {
		nl, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ln, err := servers.Listen(&strange{nl, []func() (net.Conn, error){
			func() (net.Conn, error) { return nil, fails },
		}}, cfg)
		require.NoError(t, err)
		err = ln.Serve(t.Context(), echo)
		require.ErrorContains(t, err, "servers: the net.Listener has ended")
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.NotErrorIs(t, err, io.EOF)
	}
}

// unclosable is a listener whose Close fails.
type unclosable struct{ net.Listener }

var errUnclosable = errors.New("cannot be closed")

func (l unclosable) Close() error {
	_ = l.Listener.Close()
	return errUnclosable
}

func TestClosingConnsFailsAsTheListenerBelowDoes(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln, err := servers.Listen(unclosable{nl}, nil)
	require.NoError(t, err)
	require.ErrorIs(t, ln.Conns.Close(), errUnclosable)
	require.NoError(t, ln.Close(), "nothing is left to wait for")
}
