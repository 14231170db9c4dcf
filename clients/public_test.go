package clients

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPublicOnlyRefusesWhatIsNotThePublics(t *testing.T) {
	for _, refused := range []string{
		"127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9", "192.0.0.8",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1", "2001:db8::1", "::7f00:1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "100::1",
		"192.88.99.1", "3fff::1", "5f00::1", "2001:2::1", "2001:10::1", "4000::1", "::ffff:0:127.0.0.1", "fec0::1%eth0",
	} {
		require.Error(t, PublicOnly(netip.AddrPortFrom(netip.MustParseAddr(refused), 80)), refused)
	}
	for _, allowed := range []string{
		"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2a00::1",
	} {
		require.NoError(t, PublicOnly(netip.AddrPortFrom(netip.MustParseAddr(allowed), 80)), allowed)
	}
}

func TestAllowWithAProxyIsAnError(t *testing.T) {
	_, err := DialTCP(t.Context(), "192.0.2.1:1", &Config{Proxy: &SOCKS5{Addr: "127.0.0.1:1"}, Allow: PublicOnly})
	require.ErrorContains(t, err, "Allow")
	_, err = DialTCP(t.Context(), "127.0.0.1:1", &Config{Allow: PublicOnly})
	require.ErrorContains(t, err, "not public")
}
