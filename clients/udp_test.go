package clients_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// udpPair returns two sockets. The second is connected to the first.
func udpPair(t *testing.T, cfg *clients.UDPConfig) (*chanio.PacketConn, *chanio.PacketConn) {
	server, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	client, err := clients.DialUDP(t.Context(), server.LocalAddr().String(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return server, client
}

func TestDialUDPTalksToItsPeerAlone(t *testing.T) {
	server, client := udpPair(t, &clients.UDPConfig{LocalAddr: "127.0.0.1:0", TTL: 9})
	require.Equal(t, server.LocalAddr(), client.RemoteAddr())
	require.Contains(t, client.String(), "udp "+client.LocalAddr().String()+" to "+server.LocalAddr().String())
	stranger, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	defer stranger.Close()

	require.NoError(t, client.Out.Send(t.Context(), chanio.Packet{Data: []byte("hello")}))
	p, err := server.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.LocalAddr(), p.Addr)
	require.NoError(t, stranger.Out.Send(t.Context(), chanio.Packet{Addr: p.Addr, Data: []byte("psst")}))
	require.NoError(t, stranger.Out.Flush(t.Context()))
	require.NoError(t, server.Out.Send(t.Context(), p))
	p, err = client.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", string(p.Data))
	require.Equal(t, server.LocalAddr(), p.Addr)

	s := client.Stats()
	require.EqualValues(t, 1, s.Sent)
	require.EqualValues(t, 5, s.SentBytes)
	require.EqualValues(t, 1, s.Received)
	require.NoError(t, client.Close())
	<-client.Done()
	require.EqualValues(t, 1, client.Stats().Sent, "also when the socket is closed")
	require.Contains(t, client.String(), "closed")
}

// TestG18ShutdownOfADialledSocket checks that data that has arrived is received first, also after joining a group.
func TestG18ShutdownOfADialledSocket(t *testing.T) {
	server, client := udpPair(t, nil)
	require.False(t, server.RemoteAddr().IsValid(), "a socket that listens has no peer")
	require.ErrorContains(t, client.Join(netip.MustParseAddr("10.0.0.1"), nil), "224.0.0.0/4")
	require.NoError(t, client.Out.Send(t.Context(), chanio.Packet{Data: []byte("x")}))
	p, err := server.In.Recv(t.Context())
	require.NoError(t, err)
	require.NoError(t, server.Out.Send(t.Context(), p))
	require.NoError(t, server.Out.Flush(t.Context()))
	down := make(chan error, 1)
	go func() { down <- client.Shutdown(context.Background()) }()
	_, err = client.In.Recv(t.Context())
	require.NoError(t, err)
	_, err = client.In.Recv(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, client.Close())
	require.NoError(t, <-down)
}

// TestDialUDPToNobody checks that the report of an unreachable port does not end the socket.
func TestDialUDPToNobody(t *testing.T) {
	server, client := udpPair(t, nil)
	addr := server.LocalAddr().String()
	require.NoError(t, server.Close())
	for range 3 {
		require.NoError(t, client.Out.Send(t.Context(), chanio.Packet{Data: []byte("anybody?")}))
	}
	require.ErrorIs(t, client.Out.Flush(t.Context()), syscall.ECONNREFUSED)
	again, err := servers.ListenUDP(addr, nil)
	require.NoError(t, err)
	defer again.Close()
	require.NoError(t, client.Out.Send(t.Context(), chanio.Packet{Data: []byte("back?")}))
	p, err := again.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "back?", string(p.Data))
	require.NoError(t, again.Out.Send(t.Context(), p))
	p, err = client.In.Recv(t.Context())
	require.NoError(t, err, "reports that Recv met on the way did not end it")
	require.Equal(t, "back?", string(p.Data))
}

func TestDialUDPErrorsSayWhatToDo(t *testing.T) {
	_, err := clients.DialUDP(t.Context(), "127.0.0.1", nil)
	require.ErrorContains(t, err, "host:port")
	_, err = clients.DialUDP(t.Context(), "127.0.0.1:9", &clients.UDPConfig{LocalAddr: "nonsense"})
	require.ErrorContains(t, err, "LocalAddr")
	require.ErrorContains(t, err, "host:port")
	_, err = clients.DialUDP(t.Context(), "127.0.0.1:9", &clients.UDPConfig{LocalAddr: "192.0.2.1:0"})
	require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
	require.ErrorContains(t, err, "no interface of this machine has that address")
	_, err = clients.DialUDP(t.Context(), "255.255.255.255:9", nil)
	require.ErrorIs(t, err, syscall.EACCES, "broadcasts are asked for")
	require.ErrorContains(t, err, "UDPConfig.Broadcast permits it")
	require.NotContains(t, err.Error(), "ports below 1024")
	nobody, err := clients.NewStaticResolver(nil)
	require.NoError(t, err)
	_, err = clients.DialUDP(t.Context(), "nowhere.test:9", &clients.UDPConfig{Resolver: nobody})
	require.ErrorContains(t, err, "nowhere.test")
	require.ErrorContains(t, err, "check the spelling")

	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	_, err = clients.DialUDP(ctx, "localhost:9", nil)
	require.ErrorIs(t, err, why)
	require.True(t, errors.As(err, new(*net.OpError)))

	ctx, cancel = context.WithCancelCause(t.Context())
	found := clients.ResolverFunc(func(context.Context, string) ([]netip.Addr, error) {
		cancel(why)
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	})
	_, err = clients.DialUDP(ctx, "late.test:9", &clients.UDPConfig{Resolver: found})
	require.ErrorIs(t, err, why, "ctx has ended at the end of the lookup")
}

func TestDialUDPTakesTheFirstAddressThatCanBeReached(t *testing.T) {
	s, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	defer s.Close()
	unreachable := netip.MustParseAddr("255.255.255.255") // requires Broadcast
	for _, order := range [][]netip.Addr{
		{unreachable, netip.MustParseAddr("127.0.0.1")}, {netip.MustParseAddr("127.0.0.1"), unreachable},
	} {
		res := clients.ResolverFunc(func(context.Context, string) ([]netip.Addr, error) { return order, nil })
		c, err := clients.DialUDP(t.Context(), fmt.Sprint("two.test:", s.LocalAddr().Port()), &clients.UDPConfig{Resolver: res})
		require.NoError(t, err)
		require.Equal(t, s.LocalAddr(), c.RemoteAddr())
		require.NoError(t, c.Close())
	}
	res := clients.ResolverFunc(func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{unreachable}, nil })
	_, err = clients.DialUDP(t.Context(), "one.test:9", &clients.UDPConfig{Resolver: res})
	require.ErrorIs(t, err, syscall.EACCES)
	require.NotContains(t, err.Error(), "none of its")
}

func TestUDPCarriesValues(t *testing.T) {
	server, client := udpPair(t, nil)
	bad := 0
	near := codec.Packets(&client.Duplex, codec.Uint32, nil)
	far := codec.Packets(&server.Duplex, codec.Uint32, func(chanio.Packet, error) { bad++ })
	other, err := clients.DialUDP(t.Context(), server.LocalAddr().String(), nil)
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, other.Out.Send(t.Context(), chanio.Packet{Data: []byte("not a number")}))
	require.NoError(t, near.Out.Send(t.Context(), codec.Addressed[uint32]{Value: 41}))
	m, err := far.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, bad)
	m.Value++
	require.NoError(t, far.Out.Send(t.Context(), m))
	m, err = near.In.Recv(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 42, m.Value)
	require.NoError(t, near.Close())
	<-client.Done()
}

func TestUDPOverIPv6(t *testing.T) {
	server, err := servers.ListenUDP("[::1]:0", nil)
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	defer server.Close()
	client, err := clients.DialUDP(t.Context(), server.LocalAddr().String(), &clients.UDPConfig{TTL: 3, TOS: 8})
	require.NoError(t, err)
	defer client.Close()
	big := make([]byte, 65527)
	require.NoError(t, client.Out.Send(t.Context(), chanio.Packet{Data: big}))
	p, err := server.In.Recv(t.Context())
	require.NoError(t, err)
	require.Len(t, p.Data, len(big))
	require.Equal(t, client.LocalAddr(), p.Addr)
	require.True(t, p.Addr.Addr().Is6())
	err = client.Out.Send(t.Context(), chanio.Packet{Data: append(big, 0)})
	require.ErrorContains(t, err, "65527")
	p = chanio.Packet{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Data: big}
	require.ErrorIs(t, server.Out.Send(t.Context(), p), syscall.EMSGSIZE, "the limit is that of the address")
}

func TestDialUDPTimeoutIsWhatTheConfigSays(t *testing.T) {
	silent := clients.ResolverFunc(func(ctx context.Context, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	for timeout, want := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Second: time.Second, -1: time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			start := time.Now()
			_, err := clients.DialUDP(ctx, "a.test:1", &clients.UDPConfig{Resolver: silent, Timeout: timeout})
			require.Error(t, err)
			require.Equal(t, want, time.Since(start))
		})
	}
}
