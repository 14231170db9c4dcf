package servers

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/datagram"
)

func TestUDPConfigReachesTheEngine(t *testing.T) {
	cfg := UDPConfig{Coalesce: time.Hour, Linger: time.Minute, MaxDatagram: 1000, KeepTruncated: true, NoOffload: true}
	require.Equal(t, datagram.Config{
		Coalesce: time.Hour, Linger: time.Minute, MaxDatagram: 1000, KeepTruncated: true, NoOffload: true, Shutdown: ErrShutdown,
	}, cfg.datagram())
}

func TestClientCAFileHasTheAuthoritiesOfClients(t *testing.T) {
	server, authorities, err := SelfSigned("localhost")
	require.NoError(t, err)
	known, _, err := SelfSigned("client")
	require.NoError(t, err)
	stranger, _, err := SelfSigned("stranger")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "clients.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: known.Certificate[0]}), 0o600))
	ln, err := ListenTLS("127.0.0.1:0", &TLSConfig{Certificates: []tls.Certificate{server}, ClientCAFile: file}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error { return c.Out.Send(ctx, []byte("hello")) })
	}()
	for cert, want := range map[*tls.Certificate]string{&known: "hello", &stranger: "", {}: ""} {
		cfg := &tls.Config{RootCAs: authorities, ServerName: "localhost"}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
		nc, err := tls.Dial("tcp", ln.Addr().String(), cfg)
		if err == nil { // TLS 1.3 reports a rejection to the first Read
			require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
			var text []byte
			text, err = io.ReadAll(nc)
			require.Equal(t, want, string(text))
			_ = nc.Close()
		}
		require.Equal(t, want != "", err == nil)
	}
	cancel()
	require.NoError(t, <-served)
}
