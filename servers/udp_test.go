package servers_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// listenUDP returns a socket on a free loopback port. It is closed when the test ends.
func listenUDP(t testing.TB, cfg *servers.UDPConfig) *chanio.PacketConn {
	conn, err := servers.ListenUDP("127.0.0.1:0", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// dialUDP returns a socket connected to conn. It is closed when the test ends.
func dialUDP(t testing.TB, conn *chanio.PacketConn, cfg *clients.UDPConfig) *chanio.PacketConn {
	c, err := clients.DialUDP(t.Context(), conn.LocalAddr().String(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestUDPEcho(t *testing.T) {
	server := listenUDP(t, nil)
	echo := make(chan error, 1)
	go func() { echo <- pipeline.Connect(t.Context(), server.In, server.Out) }()
	client := dialUDP(t, server, nil)
	for _, word := range []string{"first", "", strings.Repeat("x", 60000)} {
		require.NoError(t, client.Out.Send(t.Context(), chanio.Packet{Data: []byte(word)}))
		p, err := client.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, word, string(p.Data))
		require.Equal(t, server.LocalAddr(), p.Addr)
	}
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-echo, net.ErrClosed)
}

// TestUDPToItself checks that a socket can send to its own port.
func TestUDPToItself(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		conn, err := servers.ListenUDP(host, nil)
		require.NoError(t, err)
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), conn.LocalAddr().Port())
		if strings.HasPrefix(host, "[") {
			to = conn.LocalAddr()
		}
		require.NoError(t, conn.Out.Send(t.Context(), chanio.Packet{Addr: to, Data: []byte("foo")}))
		p, err := conn.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, chanio.Packet{Addr: to, Data: []byte("foo")}, p, "an address of IPv4 is plain")
		require.NoError(t, conn.Close())
	}
}

func TestUDPErrorsSayWhatToDo(t *testing.T) {
	taken := listenUDP(t, nil)
	for _, bad := range []struct {
		addr, hint string
		is         error
	}{
		{taken.LocalAddr().String(), "choose another port", syscall.EADDRINUSE},
		{"192.0.2.1:0", "leave out the host", syscall.EADDRNOTAVAIL},
		{"127.0.0.1", "host:port", nil},
		{"127.0.0.1:70000", "at most 65535", nil},
	} {
		_, err := servers.ListenUDP(bad.addr, nil)
		require.ErrorContains(t, err, bad.hint)
		if bad.is != nil {
			require.ErrorIs(t, err, bad.is)
		}
		require.True(t, errors.As(err, new(*net.OpError)))
	}
	_, err := servers.ListenUDP(":0", &servers.UDPConfig{Control: func(string, string, syscall.RawConn) error {
		return &net.OpError{Op: "listen", Err: fs.ErrPermission} // the error for a port below 1024
	}})
	require.ErrorContains(t, err, "choose a higher one")
	for _, cfg := range []servers.UDPConfig{
		{TTL: 4711}, {TTL: 256}, {TTL: -1}, {TOS: 256}, {MulticastTTL: 256}, {ReadBuffer: -1}, {WriteBuffer: -1},
	} {
		_, err = servers.ListenUDP(":0", &cfg)
		require.ErrorIs(t, err, syscall.EINVAL)
		require.ErrorContains(t, err, "not from 0 to")
	}
}

func TestUDPRefusesWhatCannotBeSent(t *testing.T) {
	conn := listenUDP(t, nil)
	to := conn.LocalAddr()
	for _, bad := range []struct {
		p    chanio.Packet
		hint string
	}{
		{chanio.Packet{}, "needs an Addr"},
		{chanio.Packet{Addr: netip.AddrPortFrom(to.Addr(), 0)}, "port 0"},
		{chanio.Packet{Addr: netip.MustParseAddrPort("[::1]:9")}, "IPv6"},
		{chanio.Packet{Addr: to, Data: make([]byte, 65508)}, "65507"},
	} {
		require.ErrorContains(t, conn.Out.Send(t.Context(), bad.p), bad.hint)
		ok, err := conn.Out.TrySend(bad.p)
		require.False(t, ok)
		require.ErrorContains(t, err, bad.hint)
	}
	require.ErrorIs(t, conn.Out.Send(t.Context(), chanio.Packet{Addr: to, Data: make([]byte, 65508)}), syscall.EMSGSIZE)
	require.NoError(t, conn.Out.Flush(t.Context()), "nothing of it was accepted")
	require.NoError(t, conn.Out.Send(t.Context(), chanio.Packet{Addr: to, Data: make([]byte, 65507)}))
	p, err := conn.In.Recv(t.Context())
	require.NoError(t, err)
	require.Len(t, p.Data, 65507, "what is under the limit arrives whole")

	client := dialUDP(t, conn, nil)
	require.NoError(t, client.Out.Send(t.Context(), chanio.Packet{Addr: to}))
	require.ErrorContains(t, client.Out.Send(t.Context(), chanio.Packet{Addr: client.LocalAddr()}), "another peer")
}

func TestG18ShutdownOfUDP(t *testing.T) {
	conn := listenUDP(t, nil)
	client := dialUDP(t, conn, nil)
	for range 3 {
		require.NoError(t, client.Out.Send(t.Context(), chanio.Packet{Data: []byte("x")}))
	}
	require.NoError(t, client.Out.Flush(t.Context()))
	down := make(chan error, 1)
	go func() { down <- conn.Shutdown(context.Background()) }()
	got := 0
	for p := range conn.In.All(t.Context()) {
		got++
		require.NoError(t, conn.Out.Send(t.Context(), p), "Out lives")
	}
	require.ErrorIs(t, conn.In.Err(), servers.ErrShutdown)
	require.Equal(t, 3, got, "what had arrived was received")
	require.NoError(t, conn.Close())
	require.NoError(t, <-down)

	conn = listenUDP(t, nil)
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("late")
	cancel(why)
	require.ErrorIs(t, conn.Shutdown(ctx), why)
	<-conn.Done()
	require.ErrorIs(t, conn.Out.Err(), why)
	require.Contains(t, conn.String(), "closed")
}
