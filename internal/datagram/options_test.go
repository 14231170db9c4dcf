package datagram

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv6"
)

func TestAnIPv4HostIsThatFamilyOnly(t *testing.T) {
	for addr, want := range map[string]string{
		"0.0.0.0:0": "udp4", "127.0.0.1:0": "udp4", ":0": "udp", "[::]:0": "udp", "localhost:0": "udp", "0.0.0.0": "udp",
	} {
		require.Equal(t, want, network(addr), addr)
	}
	uc, err := Options{}.Listen("0.0.0.0:0")
	require.NoError(t, err)
	require.True(t, isV4(uc))
	require.NoError(t, uc.Close())
}

func TestMulticastLoopbackIsOffForIPv6Too(t *testing.T) {
	for _, off := range []bool{false, true} {
		uc, err := Options{MulticastNoLoopback: off}.Listen("[::1]:0")
		if err != nil {
			t.Skip(err)
		}
		on, err := ipv6.NewPacketConn(uc).MulticastLoopback()
		require.NoError(t, err)
		require.Equal(t, !off, on)
		require.NoError(t, uc.Close())
	}
}

func TestControlIsCalledForASharedPortToo(t *testing.T) {
	called := false
	uc, err := Options{ReusePort: true, Control: func(string, string, syscall.RawConn) error {
		called = true
		return nil
	}}.Listen("127.0.0.1:0")
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, uc.Close())
	require.True(t, called)
}

func TestOptionsAreThoseOfTheSocket(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		plain, err := Options{}.Listen(addr)
		if err != nil {
			t.Skip(err)
		}
		uc, err := Options{TTL: 11, TOS: 0x20, MulticastTTL: 12}.Listen(addr)
		require.NoError(t, err)
		require.Equal(t, []int{11, 0x20, 12}, optionsOf(t, uc))
		byDefault := optionsOf(t, plain)
		require.NotEqual(t, 11, byDefault[0])
		require.Equal(t, []int{0, 1}, byDefault[1:])
		require.NoError(t, uc.Close())
		require.NoError(t, plain.Close())
	}
}

// optionsOf returns the TTL, the traffic class and the TTL of multicasts.
func optionsOf(t *testing.T, uc *net.UDPConn) []int {
	f := familyOf(uc)
	get := []func() (int, error){f.p6.HopLimit, f.p6.TrafficClass, f.p6.MulticastHopLimit}
	if f.v4 {
		get = []func() (int, error){f.p4.TTL, f.p4.TOS, f.p4.MulticastTTL}
	}
	var got []int
	for _, option := range get {
		v, err := option()
		require.NoError(t, err)
		got = append(got, v)
	}
	return got
}

func TestADialIsFromTheLocalAddressAskedFor(t *testing.T) {
	to := plainSocket(t)
	for _, local := range []*net.UDPAddr{nil, {IP: net.IPv4(127, 0, 0, 2)}} {
		uc, err := Options{}.Dial(t.Context(), to.LocalAddr().String(), local)
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Skip(err) // 127.0.0.1 alone
		}
		require.NoError(t, err)
		from := addrPortOf(uc.LocalAddr()).Addr().String()
		require.Equal(t, local != nil, from == "127.0.0.2", from)
		require.NoError(t, uc.Close())
	}
}
