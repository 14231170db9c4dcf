package servers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
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
		{v2(proxyProxied, proxyTCP4, addrs4+"\x04\x00\x01\x00"), from4, to4}, // and an empty vector
		{v2(proxyProxied, proxyTCP6, addrs6), from6, to6},
		{v2(proxyLocal, 0, ""), "", ""},
		{v2(proxyLocal, proxyTCP4, addrs4), "", ""}, // must be ignored
		{v2(proxyProxied, 0x12, addrs4), "", ""},    // over UDP
	} {
		r := strings.NewReader(c.header + "hello")
		p, err := readProxyHeader(r)
		require.NoError(t, err, "%q", c.header)
		want := &ProxyHeader{}
		if c.from != "" {
			want.Source, want.Destination = tcpAddr(c.from), tcpAddr(c.to)
		}
		require.Equal(t, want, p, "%q", c.header)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "hello", string(rest), "%q", c.header)
	}
}

// vector returns a type, length and value.
func vector(kind byte, value string) string {
	return string([]byte{kind, byte(len(value) >> 8), byte(len(value))}) + value
}

func TestProxyHeadersSayMoreThanAddresses(t *testing.T) {
	ssl := vector(tlvSSL, "\x07\x00\x00\x00\x00"+vector(tlvSSLVersion, "TLSv1.3")+vector(tlvSSLCommonName, "client")+
		vector(tlvSSLCipher, "TLS_AES_128_GCM_SHA256")+vector(0x24, "RSA-SHA256"))
	id := strings.Repeat("\x00", 128) // the longest
	h, err := readProxyHeader(strings.NewReader(v2(proxyProxied, proxyTCP4, addrs4+
		vector(tlvAuthority, "a.test")+vector(tlvUniqueID, id)+vector(tlvALPN, "h2")+ssl+vector(0xe0, "somebody's own"))))
	require.NoError(t, err)
	require.Equal(t, &ProxyHeader{
		Source: tcpAddr("192.0.2.1:56324"), Destination: tcpAddr("198.51.100.7:443"),
		Authority: "a.test", ALPN: "h2", UniqueID: []byte(id),
		TLS: &ProxyTLS{Version: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256", CommonName: "client", Verified: true},
	}, h)
	for flags, want := range map[string]*ProxyTLS{
		"\x00\x00\x00\x00\x00": nil,
		"\x01\x00\x00\x00\x00": {}, // no certificate
		"\x03\x00\x00\x00\x00": {Verified: true},
		"\x05\x00\x00\x00\x00": {Verified: true},
		"\x03\x00\x00\x00\x01": {}, // not verified
	} {
		h, err := readProxyHeader(strings.NewReader(v2(proxyProxied, proxyTCP6, addrs6+vector(tlvSSL, flags))))
		require.NoError(t, err)
		require.Equal(t, want, h.TLS, "%q", flags)
	}
}

func TestProxyHeadersAreOfUnixSocketsToo(t *testing.T) {
	path := func(s string) string { return s + strings.Repeat("\x00", 108-len(s)) }
	h, err := readProxyHeader(strings.NewReader(v2(proxyProxied, proxyUnix, path("/run/a")+path("\x00name")+vector(tlvUniqueID, "7"))))
	require.NoError(t, err)
	require.Equal(t, &ProxyHeader{
		Source: &net.UnixAddr{Name: "/run/a", Net: "unix"}, Destination: &net.UnixAddr{Name: "@name", Net: "unix"}, UniqueID: []byte("7"),
	}, h)
	whole := strings.Repeat("x", 108)
	h, err = readProxyHeader(strings.NewReader(v2(proxyProxied, proxyUnix, whole+whole)))
	require.NoError(t, err)
	require.Equal(t, whole, h.Source.String())
}

func TestTheChecksumOfAProxyHeaderIsChecked(t *testing.T) {
	with := func(sum string) string {
		return v2(proxyProxied, proxyTCP4, addrs4+vector(tlvCRC32C, sum)+vector(tlvAuthority, "a.test"))
	}
	sum := crc32.Checksum([]byte(with("\x00\x00\x00\x00")), crc32.MakeTable(crc32.Castagnoli))
	h, err := readProxyHeader(strings.NewReader(with(string(binary.BigEndian.AppendUint32(nil, sum)))))
	require.NoError(t, err)
	require.Equal(t, "a.test", h.Authority)
	_, err = readProxyHeader(strings.NewReader(with(string(binary.BigEndian.AppendUint32(nil, sum+1)))))
	require.ErrorContains(t, err, "checksum mismatch")
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
		v2(proxyProxied, proxyTCP4, addrs4)[:20], v2(proxyLocal, 0, "")[:14],
		v2(proxyProxied, proxyUnix, strings.Repeat("x", 215)),
		v2(proxyProxied, proxyTCP4, addrs4+"\x02\x00"),
		v2(proxyProxied, proxyTCP4, addrs4+"\x02\x00\x05four"),
		v2(proxyProxied, proxyTCP4, addrs4+"\x05\x00\x81"+strings.Repeat("x", 129)),
		v2(proxyProxied, proxyTCP4, addrs4+"\x03\x00\x03abc"),
		v2(proxyProxied, proxyTCP4, addrs4+"\x03\x00\x04abcd"),
		v2(proxyProxied, proxyTCP4, addrs4+"\x20\x00\x04\x01\x00\x00\x00"),
		v2(proxyProxied, proxyTCP4, addrs4+"\x20\x00\x06\x01\x00\x00\x00\x00\x21"),
		v2(proxyProxied, proxyTCP4, addrs4+strings.Repeat("\x04\x00\x01\x00", proxyV2Max/4)),
	} {
		_, err := readProxyHeader(strings.NewReader(header))
		require.ErrorIs(t, err, errProxyHeader, "%q", header)
	}
}

func TestAProxyHeaderThatEndsEarlySaysSo(t *testing.T) {
	for _, header := range []string{"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", v2(proxyProxied, proxyTCP4, addrs4)} {
		for n := range len(header) {
			_, err := readProxyHeader(strings.NewReader(header[:n]))
			require.ErrorIs(t, err, errProxyHeader)
			require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), "%q: %v", header[:n], err)
		}
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nhello"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(proxyProxied, proxyTCP4, addrs4) + "hello"))
	f.Add([]byte(v2(proxyProxied, proxyTCP6, addrs6)))
	f.Fuzz(func(t *testing.T, header []byte) {
		whole, bit := bytes.NewReader(header), bytes.NewReader(header)
		p, err := readProxyHeader(whole)
		again, errAgain := readProxyHeader(oneByte{bit})
		require.Equal(t, p, again)
		require.Equal(t, err == nil, errAgain == nil)
		if err != nil {
			require.ErrorIs(t, err, errProxyHeader)
			require.Nil(t, p)
			return // how far it was read depends on how it came: a wrong byte ends the reading
		}
		require.Equal(t, whole.Len(), bit.Len(), "how it comes does not matter")
		require.Equal(t, p.Source == nil, p.Destination == nil)
	})
}

// oneByte reads one byte at a time.
type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }
