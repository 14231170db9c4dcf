package servers

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// v2 returns a header of version 2.
func v2(command, family byte, rest string) string {
	return proxyV2 + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const (
	addrs4 = "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"
	addrs6 = " \x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01 \x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xdc\x04\x01\xbb"
)

func TestProxyHeadersAreReadToTheirLastByte(t *testing.T) {
	const from4, to4, from6, to6 = "192.0.2.1:56324", "198.51.100.7:443", "[2001:db8::1]:56324", "[2001:db8::2]:443"
	for _, c := range []struct{ header, from, to string }{
		{"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", from4, to4},
		{"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", from6, to6},
		{"PROXY UNKNOWN\r\n", "", ""},
		{"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", ""},
		{v2(proxyProxied, proxyTCP4, addrs4), from4, to4},
		{v2(proxyProxied, proxyTCP4, addrs4+"\x04\x00\x01\x00"), from4, to4}, // and a TLV
		{v2(proxyProxied, proxyTCP6, addrs6), from6, to6},
		{v2(proxyLocal, 0, ""), "", ""},
		{v2(proxyLocal, proxyTCP4, addrs4), "", ""}, // to be ignored
		{v2(proxyProxied, 0x31, strings.Repeat("x", 216)), "", ""},
	} {
		r := strings.NewReader(c.header + "hello")
		p, err := readProxied(r)
		require.NoError(t, err, "%q", c.header)
		want := proxied{}
		if c.from != "" {
			want = proxied{netip.MustParseAddrPort(c.from), netip.MustParseAddrPort(c.to)}
		}
		require.Equal(t, want, p, "%q", c.header)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "hello", string(rest), "%q", c.header)
	}
}

func TestWhatIsNoProxyHeaderIsRefused(t *testing.T) {
	for _, header := range []string{
		"", "PROXY", "GET / HTTP/1.1\r\n\r\n",
		"PROXY TCP4\r\n", "PROXY  UNKNOWN\r\n", "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n", // without CR
		"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443",
		"PROXY TCP4 192.0.2.1 198.51.100.7 56324 65536\r\n",
		"PROXY TCP4 2001:db8::1 2001:db8::2 56324 443\r\n",
		"PROXY TCP6 192.0.2.1 198.51.100.7 56324 443\r\n",
		"PROXY TCP6 fe80::1%eth0 fe80::2 56324 443\r\n",
		"PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n",
		v2(0x11, proxyTCP4, addrs4), v2(0x22, proxyTCP4, addrs4),
		v2(proxyProxied, proxyTCP4, addrs4[:11]), v2(proxyProxied, proxyTCP6, addrs4),
		v2(proxyProxied, proxyTCP4, addrs4)[:20],
	} {
		_, err := readProxied(strings.NewReader(header))
		require.ErrorIs(t, err, errProxyHeader, "%q", header)
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nhello"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(proxyProxied, proxyTCP4, addrs4) + "hello"))
	f.Add([]byte(v2(proxyProxied, proxyTCP6, addrs6)))
	f.Fuzz(func(t *testing.T, header []byte) {
		whole, bit := bytes.NewReader(header), bytes.NewReader(header)
		p, err := readProxied(whole)
		again, errAgain := readProxied(oneByte{bit})
		require.Equal(t, p, again)
		require.Equal(t, err == nil, errAgain == nil)
		require.Equal(t, whole.Len(), bit.Len(), "how it comes does not matter")
		if err != nil {
			require.ErrorIs(t, err, errProxyHeader)
			require.Zero(t, p)
		}
		require.Equal(t, p.from.IsValid(), p.to.IsValid())
	})
}

// oneByte reads a byte at a time.
type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }
