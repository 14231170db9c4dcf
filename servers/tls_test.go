package servers_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/servers"
)

// signed returns a server's configuration for the loopback address, and a client's that trusts it.
func signed(t testing.TB) (*servers.TLSConfig, *tls.Config) {
	cert, pool, err := servers.SelfSigned("127.0.0.1", "weir.test")
	require.NoError(t, err)
	return &servers.TLSConfig{Certificates: []tls.Certificate{cert}}, &tls.Config{RootCAs: pool, ServerName: "weir.test"}
}

func listenTLS(t testing.TB, secure *servers.TLSConfig, cfg *servers.Config) *servers.Listener {
	ln, err := servers.ListenTLS("127.0.0.1:0", secure, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func TestTLSConnectionsConform(t *testing.T) {
	secure, config := signed(t)
	ln := listenTLS(t, secure, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := ln.Conns.Recv(ctx) // starts accepting, until ln is closed
	require.ErrorIs(t, err, context.DeadlineExceeded)
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			low, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			accepted := future.Go(t.Context(), ln.Conns.Recv)
			far, err = chanio.TLSClient(t.Context(), chanio.NewConn(low, nil), config, nil)
			require.NoError(t, err)
			near, err = accepted.Await(t.Context())
			require.NoError(t, err)
			return near, far
		},
	})
}

func TestTLSHandlersGetTheSession(t *testing.T) {
	secure, config := signed(t)
	mine, authority, err := servers.SelfSigned("client")
	require.NoError(t, err)
	secure.ClientCAs = authority
	secure.ALPN = []string{"one", "two"}
	config.Certificates = []tls.Certificate{mine}
	config.NextProtos = []string{"two"}
	states := make(chan *tls.ConnectionState, 1)
	ln := listenTLS(t, secure, nil)
	serveOn(t, context.Background(), ln, func(ctx context.Context, c *chanio.Conn) error {
		states <- c.TLS()
		return echo(ctx, c)
	})
	c, err := tls.Dial("tcp", ln.Addr().String(), config)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "hello", say(t, c, "hello"))
	state := <-states
	require.Equal(t, "two", state.NegotiatedProtocol)
	require.Equal(t, "client", state.VerifiedChains[0][0].Subject.CommonName)
	require.Contains(t, ln.String(), "tcp+tls 127.0.0.1:")
}

func TestTLSAFailedHandshakeIsOneLineAndNoConnection(t *testing.T) {
	secure, config := signed(t)
	var log lines
	ln := listenTLS(t, secure, &servers.Config{MaxConns: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	serveOn(t, context.Background(), ln, echo)
	wrong := config.Clone()
	wrong.RootCAs = x509.NewCertPool()
	for range 3 { // each one releases its place
		_, err := tls.Dial("tcp", ln.Addr().String(), wrong)
		require.ErrorAs(t, err, new(x509.UnknownAuthorityError))
	}
	c, err := tls.Dial("tcp", ln.Addr().String(), config)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "hello", say(t, c, "hello"))
	for strings.Count(log.String(), "\n") < 3 { // the place is released before the line
		runtime.Gosched()
	}
	require.Equal(t, 3, strings.Count(log.String(), "\n"))
	require.Equal(t, 3, strings.Count(log.String(), "tls handshake failed"))
	require.NotContains(t, log.String(), "goroutine")
}

func TestG19TLSASlowHandshakeHoldsUpNobodyAndEnds(t *testing.T) {
	secure, _ := signed(t)
	inMemory(t, servers.Config{TLS: secure}, echo, func(t *testing.T, _ *servers.Listener, dial func() net.Conn, _ <-chan error) {
		start := time.Now()
		slow := make([]net.Conn, 20)
		for i := range slow {
			slow[i] = dial()
			_, err := slow[i].Write([]byte{22, 3, 1}) // a record's first bytes
			require.NoError(t, err)
		}
		c := tls.Client(dial(), &tls.Config{InsecureSkipVerify: true}) // the bubble has its own clock
		require.Equal(t, "hello", say(t, c, "hello"))
		require.NoError(t, c.Close())
		require.Zero(t, time.Since(start))
		for _, nc := range slow {
			_, err := io.Copy(io.Discard, nc) // until the server gives up
			require.Error(t, err)
			require.NoError(t, nc.Close())
		}
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestTLSHandshakesAreLimited(t *testing.T) {
	secure, _ := signed(t)
	secure.HandshakeTimeout = 200 * time.Millisecond
	inMemory(t, servers.Config{TLS: secure, MaxHandshakes: 2}, echo, func(t *testing.T, _ *servers.Listener, dial func() net.Conn, _ <-chan error) {
		start := time.Now()
		for range 5 {
			defer dial().Close() // silent
		}
		c := tls.Client(dial(), &tls.Config{InsecureSkipVerify: true}) // served when four of them have ended, two by two
		require.Equal(t, "hello", say(t, c, "hello"))
		require.Equal(t, 400*time.Millisecond, time.Since(start))
		require.NoError(t, c.Close())
	})
}

func TestG18TLSShutdownEndsHandshakesAndDrains(t *testing.T) {
	secure, config := signed(t)
	ln := listenTLS(t, secure, nil)
	result := serveOn(t, context.Background(), ln, func(ctx context.Context, c *chanio.Conn) error {
		for chunk := range c.In.All(ctx) {
			if err := c.Out.Send(ctx, chunk); err != nil {
				return err
			}
		}
		return c.Out.Send(ctx, []byte(" bye"))
	})
	stalled := dial(t, ln)
	defer stalled.Close()
	c, err := tls.Dial("tcp", ln.Addr().String(), config)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "hello", say(t, c, "hello"))
	down := make(chan error, 1)
	go func() { down <- ln.Shutdown(t.Context()) }()
	rest, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, " bye", string(rest))
	require.NoError(t, c.Close())
	require.NoError(t, <-down)
	require.NoError(t, <-result)
}

func TestTLSWhatCannotWorkIsRefused(t *testing.T) {
	_, err := servers.ListenTLS("127.0.0.1:0", nil, nil)
	require.ErrorContains(t, err, "no certificate: set CertFile and KeyFile")
	_, err = servers.ListenTLS("127.0.0.1:0", &servers.TLSConfig{CertFile: "/does/not/exist", KeyFile: "/does/not/exist"}, nil)
	require.ErrorContains(t, err, "is that the path?")
	require.ErrorIs(t, err, os.ErrNotExist)
	secure, _ := signed(t)
	secure.Hosts = map[string]*servers.TLSConfig{"https://weir.test": {Certificates: secure.Certificates}}
	_, err = servers.ListenTLS("127.0.0.1:0", secure, nil)
	require.ErrorContains(t, err, `write "example.com" or "*.example.com"`)
}

func TestTLSTheLoggerIsToldOfADateThatClientsRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secure, _ := signed(t)
		listen := func() string {
			var network chaniotest.Network
			nl, err := network.Listen("server")
			require.NoError(t, err)
			var log lines
			ln, err := servers.Listen(nl, &servers.Config{TLS: secure, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			require.NoError(t, err)
			require.NoError(t, ln.Close())
			return log.String()
		}
		require.Empty(t, listen())
		time.Sleep(25 * time.Hour) // it is valid for a day
		require.Contains(t, listen(), "the certificate has expired, and clients will refuse it")
	})
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
