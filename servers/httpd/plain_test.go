package httpd

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/servers"
)

// TestPlainRequestAtATLSPortIsAnsweredInPlain sends requests and other bytes instead of a handshake.
func TestPlainRequestAtATLSPortIsAnsweredInPlain(t *testing.T) {
	cert, _, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	addr := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request got through") }),
		&Config{Logger: slog.New(slog.DiscardHandler), Listen: servers.Config{TLS: &servers.TLSConfig{Certificates: []tls.Certificate{cert}}}})
	for _, raw := range []string{
		getLine, "HEAD / HTTP/1.0\r\n\r\n", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 20000),
		"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		got := rawReply(t, addr, raw)
		require.True(t, strings.HasPrefix(got, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain"), "%q: %q", raw, got)
		require.Contains(t, got, "\r\n\r\nThis port speaks HTTPS")
	}
	for _, raw := range []string{"get / HTTP/1.1\r\n\r\n", "GET -- no request", "\x00\x01\x02\x03\x04\x05", "A /xyz HTTP/1.1\r\n\r\n"} {
		require.Empty(t, rawReply(t, addr, raw), "%q", raw)
	}
}
