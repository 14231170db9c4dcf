package datagram

import (
	"errors"
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
