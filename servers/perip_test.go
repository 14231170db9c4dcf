package servers

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func tcpAddr(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

func TestPeersAreCountedByWhatOneSubscriberHas(t *testing.T) {
	p := perIP{most: 2}
	for _, peer := range [][]string{
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:2", "192.0.2.1:3"},
		{"192.0.2.2:1", "192.0.2.2:1", "192.0.2.2:1"},
		{"[2001:db8::1]:1", "[2001:db8::ffff:1]:1", "[2001:db8::2]:1"},
		{"[2001:db8:0:1::1]:1", "[2001:db8:0:1::1]:2", "[2001:db8:0:1::2]:1"},
		{"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", "[fe80::2]:1"},
	} {
		require.True(t, p.enter(tcpAddr(peer[0])))
		require.True(t, p.enter(tcpAddr(peer[1])))
		require.False(t, p.enter(tcpAddr(peer[2])), peer)
		p.leave(tcpAddr(peer[0]))
		require.True(t, p.enter(tcpAddr(peer[2])))
		p.leave(tcpAddr(peer[1]))
		p.leave(tcpAddr(peer[2]))
	}
	require.Empty(t, p.open, "peers that are gone are forgotten")
}

func TestPeersWithoutAnIPAreNotCounted(t *testing.T) {
	p := perIP{most: 1}
	for _, addr := range []net.Addr{nil, &net.UnixAddr{Name: "@"}, &net.TCPAddr{}} {
		for range 3 {
			require.True(t, p.enter(addr))
			p.leave(addr)
		}
	}
	var none perIP
	require.True(t, none.enter(tcpAddr("192.0.2.1:1")))
	require.True(t, none.enter(tcpAddr("192.0.2.1:1")))
}
