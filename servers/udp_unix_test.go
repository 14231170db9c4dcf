//go:build unix

package servers_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

func TestUDPConfigReachesTheSocket(t *testing.T) {
	conn := listenUDP(t, &servers.UDPConfig{
		TTL: 7, TOS: 0x48, MulticastTTL: 3, MulticastNoLoopback: true, ReadBuffer: 64 << 10, WriteBuffer: 64 << 10,
	})
	other := listenUDP(t, &servers.UDPConfig{Broadcast: true})
	require.Equal(t, 7, optionUDP(t, conn, syscall.IPPROTO_IP, syscall.IP_TTL))
	require.Equal(t, 0x48, optionUDP(t, conn, syscall.IPPROTO_IP, syscall.IP_TOS))
	require.Equal(t, 3, optionUDP(t, conn, syscall.IPPROTO_IP, syscall.IP_MULTICAST_TTL))
	require.Equal(t, 0, optionUDP(t, conn, syscall.IPPROTO_IP, syscall.IP_MULTICAST_LOOP))
	require.Equal(t, 1, optionUDP(t, other, syscall.IPPROTO_IP, syscall.IP_MULTICAST_LOOP))
	require.Equal(t, 0, optionUDP(t, conn, syscall.SOL_SOCKET, syscall.SO_BROADCAST))
	require.NotEqual(t, 0, optionUDP(t, other, syscall.SOL_SOCKET, syscall.SO_BROADCAST))
	for _, buffer := range []int{syscall.SO_RCVBUF, syscall.SO_SNDBUF} {
		require.Less(t, optionUDP(t, conn, syscall.SOL_SOCKET, buffer), optionUDP(t, other, syscall.SOL_SOCKET, buffer))
	}
}

// optionUDP reads an option of the underlying socket.
func optionUDP(t *testing.T, conn *chanio.PacketConn, level, name int) (value int) {
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }))
	require.NoError(t, err)
	return value
}

// loopback is an interface for multicasts that do not leave this host.
func loopback(t *testing.T) *net.Interface {
	for _, name := range []string{"lo", "lo0"} {
		if ifi, err := net.InterfaceByName(name); err == nil {
			return ifi
		}
	}
	t.Skip("this host has no loopback interface that is called lo")
	return nil
}

func TestUDPMulticast(t *testing.T) {
	lo := loopback(t)
	here, there := netip.MustParseAddr("239.77.0.1"), netip.MustParseAddr("239.77.0.2")
	first, err := servers.ListenUDP("0.0.0.0:0", &servers.UDPConfig{ReusePort: true})
	require.NoError(t, err)
	defer first.Close()
	port := first.LocalAddr().Port()
	second, err := servers.ListenUDP(fmt.Sprintf("0.0.0.0:%d", port), &servers.UDPConfig{ReusePort: true})
	require.NoError(t, err, "several sockets of one port")
	defer second.Close()
	from, err := servers.ListenUDP("0.0.0.0:0", &servers.UDPConfig{MulticastInterface: lo})
	require.NoError(t, err)
	defer from.Close()
	if err := errors.Join(first.Join(here, lo), second.Join(here, lo), second.Join(there, lo)); err != nil {
		t.Skip("no multicasts here: ", err)
	}
	say := func(group netip.Addr, word string) {
		p := chanio.Packet{Addr: netip.AddrPortFrom(group, port), Data: []byte(word)}
		require.NoError(t, from.Out.Send(t.Context(), p))
		require.NoError(t, from.Out.Flush(t.Context()))
	}
	hear := func(c *chanio.PacketConn, want string) {
		t.Helper()
		p, err := c.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, string(p.Data))
	}
	say(there, "second only")
	say(here, "both")
	hear(first, "both") // another socket may have joined, but this one has not
	hear(second, "second only")
	hear(second, "both")

	require.NoError(t, second.Leave(here, lo))
	say(here, "first only")
	say(there, "second again")
	hear(first, "first only")
	hear(second, "second again")

	require.ErrorContains(t, first.Join(netip.MustParseAddr("127.0.0.1"), lo), "224.0.0.0/4")
	require.ErrorContains(t, first.Join(netip.MustParseAddr("ff02::1234"), lo), "IPv6")
	require.Error(t, first.Leave(there, lo), "never joined")
}

// TestUDPMulticastOverIPv6 uses a group whose packets do not leave the interface.
func TestUDPMulticastOverIPv6(t *testing.T) {
	group := netip.MustParseAddr("ff01::4711")
	all, err := net.Interfaces()
	require.NoError(t, err)
	for _, ifi := range all {
		if ifi.Flags&(net.FlagUp|net.FlagMulticast) != net.FlagUp|net.FlagMulticast {
			continue
		}
		conn, err := servers.ListenUDP(":0", &servers.UDPConfig{MulticastInterface: &ifi, MulticastTTL: 1})
		require.NoError(t, err)
		defer conn.Close()
		if conn.Join(group, &ifi) != nil {
			continue // IPv6 is not available
		}
		to := netip.AddrPortFrom(group, conn.LocalAddr().Port())
		require.NoError(t, conn.Out.Send(t.Context(), chanio.Packet{Addr: to, Data: []byte("all of you")}))
		if conn.Out.Flush(t.Context()) != nil {
			continue // no route
		}
		p, err := conn.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "all of you", string(p.Data))
		if p.Addr.Addr().IsLinkLocalUnicast() {
			require.Equal(t, ifi.Name, p.Addr.Addr().Zone())
			require.NoError(t, conn.Out.Send(t.Context(), p), "back to where it came from")
			p, err = conn.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, "all of you", string(p.Data))
		}
		return
	}
	t.Skip("no interface here can do it")
}

func TestUDPBroadcastIsAskedFor(t *testing.T) {
	everybody := netip.MustParseAddrPort("127.255.255.255:0")
	for _, asked := range []bool{false, true} {
		to, err := servers.ListenUDP("0.0.0.0:0", nil)
		require.NoError(t, err)
		from := listenUDP(t, &servers.UDPConfig{Broadcast: asked})
		p := chanio.Packet{Addr: netip.AddrPortFrom(everybody.Addr(), to.LocalAddr().Port()), Data: []byte("hear")}
		require.NoError(t, from.Out.Send(t.Context(), p), "the kernel judges")
		if err := from.Out.Flush(t.Context()); !asked {
			require.ErrorIs(t, err, syscall.EACCES)
			require.ErrorContains(t, err, "UDPConfig.Broadcast permits it")
			require.EqualValues(t, 1, from.Stats().Lost)
		} else {
			require.NoError(t, err)
			got, err := to.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, "hear", string(got.Data))
		}
		require.NoError(t, to.Close())
	}
}

func TestPrivilegedUDPPortSaysWhatToDo(t *testing.T) {
	out, err := child(t, "TestChildListensOnAPrivilegedUDPPort").CombinedOutput()
	require.NoError(t, err, "%s", out)
	if strings.Contains(string(out), "no privilege needed") {
		t.Skip("this machine needs no privilege for low ports")
	}
	require.Contains(t, string(out), "ports below 1024 may need a privilege: choose a higher one")
}

func TestChildListensOnAPrivilegedUDPPort(t *testing.T) {
	skipUnlessChild(t)
	dropPrivilege(t)
	conn, err := servers.ListenUDP("127.0.0.1:81", nil)
	if err == nil {
		_ = conn.Close()
		fmt.Println("no privilege needed")
		return
	}
	require.ErrorIs(t, err, syscall.EACCES)
	fmt.Println(err)
}
