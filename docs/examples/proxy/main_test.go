package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// start runs the proxy and returns its address.
func start(t *testing.T, s settings) string {
	s.addr = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, s, out) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-result)
	})
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	return strings.Fields(string(line[:n]))[1]
}

// behind runs handle for each connection that the proxy passes on, and returns its address.
func behind(t *testing.T, handle func(nc *net.TCPConn)) string {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			nc, err := nl.Accept()
			if err != nil {
				return
			}
			handle(nc.(*net.TCPConn))
			_ = nc.Close()
		}
	}()
	t.Cleanup(func() {
		_ = nl.Close()
		<-over
	})
	return nl.Addr().String()
}

type conn interface {
	net.Conn
	CloseWrite() error
}

// certificate returns files with a certificate for the loopback address, and the pool that trusts it.
func certificate(t *testing.T) (cert, key string, config *tls.Config) {
	pair, pool, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(name, kind string, der []byte) {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	write(cert, "CERTIFICATE", pair.Certificate[0])
	write(key, "PRIVATE KEY", secret)
	return cert, key, &tls.Config{RootCAs: pool}
}

// The server answers only after the end of the client's input, and the client then reads to the end of the answer: each
// end is passed on separately.
func TestBothWaysArriveBitForBitWithTheirEnds(t *testing.T) {
	to := behind(t, func(nc *net.TCPConn) {
		asked, err := io.ReadAll(nc)
		if err == nil {
			_, _ = nc.Write(append(asked, asked...))
			_ = nc.CloseWrite()
		}
	})
	cert, key, config := certificate(t)
	plain := start(t, settings{to: to})
	secured := start(t, settings{to: to, cert: cert, key: key})
	for name, dial := range map[string]func() (net.Conn, error){
		"tcp": func() (net.Conn, error) { return net.Dial("tcp", plain) },
		"tls": func() (net.Conn, error) { return tls.Dial("tcp", secured, config) },
	} {
		for _, size := range []int{0, 1, 64 << 10, 8 << 20} {
			nc, err := dial()
			require.NoError(t, err, name)
			sent := make([]byte, size)
			random := rand.NewChaCha8([32]byte{byte(size >> 8)})
			_, _ = random.Read(sent)
			_, err = nc.Write(sent)
			require.NoError(t, err)
			require.NoError(t, nc.(conn).CloseWrite())
			got, err := io.ReadAll(nc)
			require.NoError(t, err)
			require.True(t, bytes.Equal(append(sent, sent...), got), "%s, %d bytes", name, size)
			require.NoError(t, nc.Close())
		}
	}
}

func TestAResetIsPassedOn(t *testing.T) {
	to := behind(t, func(nc *net.TCPConn) {
		_, _ = io.ReadFull(nc, make([]byte, 5))
		_ = nc.SetLinger(0)
	})
	nc, err := net.Dial("tcp", start(t, settings{to: to}))
	require.NoError(t, err)
	defer nc.Close()
	_, err = io.WriteString(nc, "hello")
	require.NoError(t, err)
	_, err = io.ReadAll(nc)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestAServerThatIsNotThereIsAReset(t *testing.T) {
	nc, err := net.Dial("tcp", start(t, settings{to: "127.0.0.1:1"}))
	if err == nil { // the reset may be faster
		defer nc.Close()
		_, err = io.ReadAll(nc)
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	err := run(t.Context(), settings{addr: "127.0.0.1:0", cert: "cert.pem"}, io.Discard)
	require.ErrorContains(t, err, "CertFile and KeyFile go together")
}
