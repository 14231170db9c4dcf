package httpc_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// testCertificate is the certificate of httptest, which httpc.Trusting trusts.
func testCertificate() tls.Certificate {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	defer srv.Close()
	return srv.TLS.Certificates[0]
}

// ours serves handler with httpd until the test ends: over TLS if secure, otherwise over HTTP/1 and HTTP/2 without TLS.
// It returns the URL without the scheme.
func ours(t *testing.T, handler http.Handler, secure bool, http2 httpd.HTTP2Config) string {
	t.Helper()
	cfg := &httpd.Config{HTTP2: http2, Protocols: new(http.Protocols)}
	cfg.Protocols.SetHTTP1(true)
	cfg.Protocols.SetHTTP2(secure)
	cfg.Protocols.SetUnencryptedHTTP2(!secure)
	if secure {
		cfg.Listen = servers.Config{TLS: &servers.TLSConfig{Certificates: []tls.Certificate{testCertificate()}}}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := httpd.New(handler, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-served:
			require.NoError(t, err)
		case <-time.After(httpc.TestPatience):
			t.Error("Serve does not return")
		}
	})
	return "://" + ln.Addr().String()
}
