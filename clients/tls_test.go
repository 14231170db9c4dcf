package clients_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/tlsconf"
)

// tlsEcho starts a TLS echo server on loopback with a certificate for names. It returns its port, a pool that trusts
// it, and the server names that it receives.
func tlsEcho(t testing.TB, names ...string) (port string, roots *x509.CertPool, told chan string) {
	cert, roots, err := tlsconf.SelfSigned(names...)
	require.NoError(t, err)
	told = make(chan string, 8)
	ln := tls.NewListener(listen(t), &tls.Config{
		Certificates: []tls.Certificate{cert},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			told <- hello.ServerName
			return nil, nil
		},
	})
	go serveEcho(ln)
	_, port, err = net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return port, roots, told
}

func TestDialTLSTellsTheServerTheHostAnotherOrNone(t *testing.T) {
	chaniotest.NoLeak(t)
	port, roots, told := tlsEcho(t, "a.test", "b.test")
	dial := &clients.Config{Resolver: static(t, map[string][]string{"*": {"127.0.0.1"}})}
	for name, c := range map[string]struct {
		host   string
		secure clients.TLSConfig
		told   string
	}{
		"the host": {"a.test", clients.TLSConfig{RootCAs: roots}, "a.test"},
		"another":  {"c.test", clients.TLSConfig{RootCAs: roots, ServerName: "b.test"}, "b.test"},
		"none":     {"a.test", clients.TLSConfig{RootCAs: roots, HideServerName: true}, ""},
	} {
		var state *tls.ConnectionState
		dial.Conn.TLSState = func(s *tls.ConnectionState) { state = s }
		conn, err := clients.DialTLS(t.Context(), c.host+":"+port, &c.secure, dial)
		require.NoError(t, err, name)
		require.Equal(t, c.told, <-told, name)
		requireEcho(t, conn, "")
		require.True(t, conn.TLS().HandshakeComplete)
		require.NotEmpty(t, state.VerifiedChains, name)
		require.NoError(t, conn.Close())
	}
}

func TestG15DialTLSErrorsSayWhatIsWrongWithTheCertificate(t *testing.T) {
	chaniotest.NoLeak(t)
	port, roots, _ := tlsEcho(t, "a.test")
	later := &tls.Config{Time: func() time.Time { return time.Now().Add(1000 * time.Hour) }}
	dial := &clients.Config{Resolver: static(t, map[string][]string{"*": {"127.0.0.1"}})}
	for name, c := range map[string]struct {
		host   string
		secure *clients.TLSConfig
		is     any
		want   string
	}{
		"wrong host":        {"b.test", &clients.TLSConfig{RootCAs: roots}, new(x509.HostnameError), "dial one of the names"},
		"wrong hidden host": {"b.test", &clients.TLSConfig{RootCAs: roots, HideServerName: true}, new(x509.HostnameError), "dial one of the names"},
		"expired":           {"a.test", &clients.TLSConfig{RootCAs: roots, Base: later}, new(x509.CertificateInvalidError), "needs a new certificate"},
		"expired, hidden": {
			"a.test", &clients.TLSConfig{RootCAs: roots, Base: later, HideServerName: true},
			new(x509.CertificateInvalidError), "needs a new certificate",
		},
		"unknown authority": {"a.test", nil, new(x509.UnknownAuthorityError), "add that authority"},
	} {
		conn, err := clients.DialTLS(t.Context(), c.host+":"+port, c.secure, dial)
		require.Nil(t, conn, name)
		require.ErrorAs(t, err, c.is, name)
		require.ErrorContains(t, err, c.want, name)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
	}
}

func TestDialTLSErrorsOfTheConnection(t *testing.T) {
	chaniotest.NoLeak(t)
	ln := listen(t)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(nc, "220 not TLS at all\r\n")
			_ = nc.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, nc)
			_ = nc.Close()
		}
	}()
	_, err := clients.DialTLS(t.Context(), ln.Addr().String(), nil, nil)
	require.ErrorContains(t, err, "does not speak TLS")
	var notTLS tls.RecordHeaderError
	require.ErrorAs(t, err, &notTLS)

	_, err = clients.DialTLS(t.Context(), net.JoinHostPort("127.0.0.1", "1"), nil, nil)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	dialled := clients.Config{Control: func(string, string, syscall.RawConn) error { panic("dialled") }}
	_, err = clients.DialTLS(t.Context(), ln.Addr().String(), &clients.TLSConfig{RootCAFile: "/no/such/file"}, &dialled)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A server may refuse the requested name, or the client.
func TestG15DialTLSErrorsSayWhatTheServerRefuses(t *testing.T) {
	cert, roots, err := tlsconf.SelfSigned("a.test")
	require.NoError(t, err)
	for want, config := range map[string]*tls.Config{
		"unrecognized name": {GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }},
		"handshake failure": { // without a certificate, which TLS 1.3 reports only after the handshake
			Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12,
		},
		"no application protocol": {Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}},
	} {
		ln := tls.NewListener(listen(t), config)
		go serveEcho(ln)
		secure := &clients.TLSConfig{RootCAs: roots, ServerName: "a.test", ALPN: []string{"other"}}
		_, err := clients.DialTLS(t.Context(), ln.Addr().String(), secure, nil)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "so says the server: does it know TLSConfig.ServerName")
	}
}

// memProxy is a proxy with in-memory connections.
type memProxy struct{ *peers }

func (p memProxy) DialThrough(
	ctx context.Context, addr string, conn *chanio.ConnConfig, _ clients.DialFunc,
) (*chanio.Conn, error) {
	return p.dial(ctx, addr, conn)
}

func TestDialTLSHandshakeIsBoundedAndEndsWithCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &peers{play: func(_ string, nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }}
		dial := &clients.Config{Proxy: memProxy{silent}}
		start := time.Now()
		for _, c := range []struct {
			secure *clients.TLSConfig
			total  time.Duration
			took   time.Duration
			want   string
		}{
			{nil, 0, 10 * time.Second, "does the server speak TLS"},
			{&clients.TLSConfig{HandshakeTimeout: time.Second}, 0, time.Second, "no TLS handshake within 1s"},
			{nil, 2 * time.Second, 2 * time.Second, "no connection within 2s"},
		} {
			dial.Timeout = c.total
			_, err := clients.DialTLS(t.Context(), "a.test:443", c.secure, dial)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.took, time.Since(start))
			start = time.Now()
		}
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		_, err := clients.DialTLS(ctx, "a.test:443", nil, dial)
		require.ErrorIs(t, err, why)
		silent.playing.Wait()
	})
}

func TestDialTLSReleasesOneConnection(t *testing.T) {
	port, roots, _ := tlsEcho(t, "a.test")
	released := make(chan *chanio.Conn, 2)
	secure := &clients.TLSConfig{RootCAs: roots, ServerName: "a.test"}
	conn, err := clients.DialTLS(t.Context(), "127.0.0.1:"+port, secure, &clients.Config{
		Conn: chanio.ConnConfig{OnRelease: func(c *chanio.Conn) { released <- c }},
	})
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	<-conn.Done()
	require.Same(t, conn, <-released)
	require.Empty(t, released)
}

func TestUpgradeTLSGoesOnWhereTheLineEnded(t *testing.T) {
	cert, roots, err := tlsconf.SelfSigned("a.test")
	require.NoError(t, err)
	server := &peers{play: func(_ string, nc net.Conn) {
		_, _ = io.WriteString(nc, "go ahead\n")
		secured := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
		_, _ = io.Copy(secured, secured)
	}}
	c, err := server.dial(t.Context(), "", nil)
	require.NoError(t, err)
	require.Equal(t, "go ahead\n", string(recv(t, c.In)))
	up, err := clients.UpgradeTLS(t.Context(), c, "a.test", &clients.TLSConfig{RootCAs: roots}, nil)
	require.NoError(t, err)
	require.Equal(t, "a.test", up.TLS().ServerName)
	requireEcho(t, up, "")
	require.NoError(t, up.Close())
	server.playing.Wait()

	c, err = server.dial(t.Context(), "", nil)
	require.NoError(t, err)
	require.Equal(t, "go ahead\n", string(recv(t, c.In)))
	_, err = clients.UpgradeTLS(t.Context(), c, "b.test", &clients.TLSConfig{RootCAs: roots}, nil)
	require.ErrorAs(t, err, new(x509.HostnameError))
	<-c.Done()
	server.playing.Wait()
}

func TestUpgradeTLSWithAnUnusableConfigAbortsTheConnection(t *testing.T) {
	c, peer := chanio.Pipe()
	defer peer.Abort(nil)
	_, err := clients.UpgradeTLS(t.Context(), c, "a.test", &clients.TLSConfig{RootCAFile: "no such file"}, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, c.Cause(), fs.ErrNotExist)
}

func TestG16ACallbackOfTLSThatPanicsEndsTheConnection(t *testing.T) {
	cert, roots, err := tlsconf.SelfSigned("a.test")
	require.NoError(t, err)
	server := &peers{play: func(_ string, nc net.Conn) {
		_, _ = io.Copy(io.Discard, tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}}))
	}}
	for _, fall := range []func(){func() { panic("fall") }, runtime.Goexit} {
		c, err := server.dial(t.Context(), "", nil)
		require.NoError(t, err)
		base := &tls.Config{VerifyConnection: func(tls.ConnectionState) error {
			fall()
			return nil
		}}
		go func() {
			defer func() { _ = recover() }()
			_, _ = clients.UpgradeTLS(t.Context(), c, "a.test", &clients.TLSConfig{RootCAs: roots, Base: base}, nil)
		}()
		<-c.Done()
		server.playing.Wait()
	}
}

// ownContext is a context that package context has to watch with a goroutine.
type ownContext struct {
	context.Context
	done chan struct{}
}

func (c *ownContext) Done() <-chan struct{} { return c.done }

func TestUpgradeTLSLeavesNothingWithItsCtx(t *testing.T) {
	chaniotest.NoLeak(t)
	port, roots, _ := tlsEcho(t, "a.test")
	c, err := clients.DialTCP(t.Context(), "127.0.0.1:"+port, nil)
	require.NoError(t, err)
	ctx := &ownContext{context.Background(), make(chan struct{})} // never ends
	up, err := clients.UpgradeTLS(ctx, c, "a.test", &clients.TLSConfig{RootCAs: roots}, nil)
	require.NoError(t, err)
	requireEcho(t, up, "")
	require.NoError(t, up.Close())
}

func TestDialUnixFailsAsItsHandshakeDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Skip(err)
	}
	defer ln.Close()
	go func() {
		for nc, err := ln.Accept(); err == nil; nc, err = ln.Accept() {
			_ = nc.Close()
		}
	}()
	c, err := clients.DialUnix(t.Context(), path, &clients.Config{TLS: &clients.TLSConfig{ServerName: "a.test"}})
	require.ErrorContains(t, err, "tls handshake unix")
	require.NotErrorIs(t, err, io.EOF)
	require.Nil(t, c)
}
