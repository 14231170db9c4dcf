package httpd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startForeignTLS serves handler with srv over a listener of tls.NewListener. It returns the address and a client
// configuration.
func startForeignTLS(t *testing.T, srv *Server, protocols ...string) (addr string, client *tls.Config) {
	t.Helper()
	pki := httptest.NewUnstartedServer(nil)
	pki.StartTLS()
	t.Cleanup(pki.Close)
	roots := x509.NewCertPool()
	roots.AddCert(pki.Certificate())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	secure := &tls.Config{Certificates: pki.TLS.Certificates, NextProtos: protocols, ClientAuth: tls.RequestClientCert}
	go func() { served <- srv.Serve(ctx, tls.NewListener(ln, secure)) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	return ln.Addr().String(), &tls.Config{RootCAs: roots, Certificates: pki.TLS.Certificates}
}

// TestListenerOfCryptoTLSIsServedByALPN checks that the handshake is complete before ALPN decides, and that a handler
// sees the certificate of its client.
func TestListenerOfCryptoTLSIsServedByALPN(t *testing.T) {
	for name, k := range map[string]struct {
		protocols []string
		http2     bool
		want      string
	}{
		"HTTP/2":         {[]string{"h2", "http/1.1"}, true, "HTTP/2.0"},
		"only HTTP/2":    {[]string{"h2"}, true, "HTTP/2.0"},
		"HTTP/1":         {[]string{"h2", "http/1.1"}, false, "HTTP/1.1"},
		"no application": {nil, true, "HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.TLS == nil || !r.TLS.HandshakeComplete || len(r.TLS.PeerCertificates) != 1 {
					w.WriteHeader(http.StatusForbidden)
				}
				_, _ = io.WriteString(w, r.Proto)
			}), nil)
			addr, secure := startForeignTLS(t, srv, k.protocols...)
			tr := &http.Transport{TLSClientConfig: secure, ForceAttemptHTTP2: k.http2}
			defer tr.CloseIdleConnections()
			resp, err := (&http.Client{Transport: tr}).Get("https://" + addr)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, k.want, string(body))
		})
	}
}

// TestHandshakeOfCryptoTLSIsBounded connects and stays silent.
func TestHandshakeOfCryptoTLSIsBounded(t *testing.T) {
	srv := New(http.NotFoundHandler(), &Config{HeadTimeout: 50 * time.Millisecond})
	addr, _ := startForeignTLS(t, srv, "h2")
	silent, _ := dial(t, addr)
	_, err := silent.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// TestShutdownEndsAHandshakeOfCryptoTLS connects, stays silent, and shuts the server down.
func TestShutdownEndsAHandshakeOfCryptoTLS(t *testing.T) {
	connected := make(chan struct{})
	srv := New(http.NotFoundHandler(), &Config{
		HeadTimeout: -1,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { close(connected); return ctx },
	})
	addr, _ := startForeignTLS(t, srv, "h2")
	silent, _ := dial(t, addr)
	<-connected
	require.NoError(t, srv.Shutdown(t.Context()))
	_, err := silent.Read(make([]byte, 1))
	require.Error(t, err)
}
