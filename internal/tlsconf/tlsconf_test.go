package tlsconf_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/memconn"
	"github.com/weir-go/weir/internal/tlsconf"
)

// handshake runs both sides over an in-memory connection and returns the state of each.
func handshake(t *testing.T, server, client *tls.Config) (s, c tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	a, b := memconn.Pipe(0)
	srv, cli := tls.Server(a, server), tls.Client(b, client)
	done := make(chan error, 1)
	go func() {
		err := srv.Handshake()
		if err != nil {
			a.Close()
		}
		done <- err
	}()
	clientErr = cli.Handshake()
	if clientErr == nil { // a TLS 1.3 server verifies the client's certificate later
		go cli.Read(make([]byte, 1))
	} else {
		b.Close()
	}
	serverErr = <-done
	s, c = srv.ConnectionState(), cli.ConnectionState()
	a.Close()
	b.Close()
	return s, c, serverErr, clientErr
}

func signed(t *testing.T, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	cert, pool, err := tlsconf.SelfSigned(names...)
	require.NoError(t, err)
	return cert, pool
}

func serverConfig(t *testing.T, s *tlsconf.Server) *tls.Config {
	t.Helper()
	cfg, err := s.Config(nil)
	require.NoError(t, err)
	return cfg
}

func clientConfig(t *testing.T, c *tlsconf.Client, host string) *tls.Config {
	t.Helper()
	cfg, _, err := c.Config(host)
	require.NoError(t, err)
	return cfg
}

func TestTheHostThatIsDialledIsVerified(t *testing.T) {
	cert, pool := signed(t, "a.test")
	server := serverConfig(t, &tlsconf.Server{Certificates: []tls.Certificate{cert}})
	s, _, serverErr, clientErr := handshake(t, server, clientConfig(t, &tlsconf.Client{RootCAs: pool}, "a.test:443"))
	require.NoError(t, serverErr)
	require.NoError(t, clientErr)
	require.Equal(t, "a.test", s.ServerName)
	_, _, _, clientErr = handshake(t, server, clientConfig(t, &tlsconf.Client{RootCAs: pool}, "b.test:443"))
	var wrong x509.HostnameError
	require.ErrorAs(t, clientErr, &wrong)
}

func TestAHiddenServerNameIsNotSentAndStillVerified(t *testing.T) {
	cert, pool := signed(t, "a.test")
	server := serverConfig(t, &tlsconf.Server{Certificates: []tls.Certificate{cert}})
	hidden := &tlsconf.Client{RootCAs: pool, HideServerName: true}
	s, _, serverErr, clientErr := handshake(t, server, clientConfig(t, hidden, "a.test:443"))
	require.NoError(t, serverErr)
	require.NoError(t, clientErr)
	require.Empty(t, s.ServerName)
	_, _, _, clientErr = handshake(t, server, clientConfig(t, hidden, "b.test:443"))
	var wrong x509.HostnameError
	require.ErrorAs(t, clientErr, &wrong)
	_, _, _, clientErr = handshake(t, server, clientConfig(t, &tlsconf.Client{HideServerName: true}, "a.test:443"))
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, clientErr, &unknown)
}

func TestHostsHaveTheirOwnCertificates(t *testing.T) {
	fallback, _ := signed(t, "default.test")
	exact, _ := signed(t, "www.a.test")
	wild, _ := signed(t, "*.a.test")
	server := serverConfig(t, &tlsconf.Server{
		Certificates: []tls.Certificate{fallback},
		Hosts: map[string]*tlsconf.Server{
			"WWW.a.test": {Certificates: []tls.Certificate{exact}},
			"*.a.test":   {Certificates: []tls.Certificate{wild}},
		},
	})
	for name, want := range map[string]string{
		"www.a.test": "www.a.test", "mail.a.test": "*.a.test", "x.mail.a.test": "default.test", "a.test": "default.test",
		"other.test": "default.test",
	} {
		_, c, _, err := handshake(t, server, clientConfig(t, &tlsconf.Client{InsecureSkipVerify: true}, name))
		require.NoError(t, err)
		require.Equal(t, want, c.PeerCertificates[0].Subject.CommonName, name)
	}
}

func TestAHostAsksForItsOwnClients(t *testing.T) {
	cert, pool := signed(t, "a.test", "open.test")
	mine, authority := signed(t, "client")
	stranger, _ := signed(t, "stranger")
	server := serverConfig(t, &tlsconf.Server{
		Certificates: []tls.Certificate{cert},
		Hosts:        map[string]*tlsconf.Server{"a.test": {Certificates: []tls.Certificate{cert}, ClientCAs: authority}},
	})
	s, _, err, _ := handshake(t, server, clientConfig(t, &tlsconf.Client{RootCAs: pool, Certificates: []tls.Certificate{mine}}, "a.test"))
	require.NoError(t, err)
	require.Equal(t, "client", s.VerifiedChains[0][0].Subject.CommonName)
	_, _, err, _ = handshake(t, server, clientConfig(t, &tlsconf.Client{RootCAs: pool}, "a.test"))
	require.Error(t, err)
	_, _, err, _ = handshake(t, server, clientConfig(t, &tlsconf.Client{RootCAs: pool, Certificates: []tls.Certificate{stranger}}, "a.test"))
	require.Error(t, err)
	_, _, err, _ = handshake(t, server, clientConfig(t, &tlsconf.Client{RootCAs: pool}, "open.test"))
	require.NoError(t, err)
}

func TestAHostAsksForNoClientsThoughTheServerDoes(t *testing.T) {
	cert, pool := signed(t, "a.test", "open.test", "other.test")
	certs := []tls.Certificate{cert}
	server := serverConfig(t, &tlsconf.Server{
		Certificates: certs, ClientCAs: pool,
		Hosts: map[string]*tlsconf.Server{"open.test": {Certificates: certs}, "other.test": {Certificates: certs, Base: &tls.Config{}}},
	})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		try := func(host string, resumed bool, cache tls.ClientSessionCache) {
			client := clientConfig(t, &tlsconf.Client{RootCAs: pool, Base: &tls.Config{MaxVersion: version, ClientSessionCache: cache}}, host)
			s, _, err, _ := handshake(t, server, client)
			if host == "a.test" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err, host)
			if version == tls.VersionTLS12 { // where the ticket is part of the handshake
				require.Equal(t, resumed, s.DidResume, host)
			}
		}
		cache := tls.NewLRUClientSessionCache(9)
		for _, host := range []string{"open.test", "other.test", "a.test"} {
			try(host, false, cache)
			try(host, true, cache)
		}
	}
}

// write writes a certificate to two files.
func write(t *testing.T, dir string, cert tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	return certFile, keyFile
}

func TestFilesAreReadAnewWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	old, _ := signed(t, "old.test")
	certFile, keyFile := write(t, dir, old)
	synctest.Test(t, func(t *testing.T) { // for its clock
		cfg := serverConfig(t, &tlsconf.Server{CertFile: certFile, KeyFile: keyFile})
		served := func() string {
			cert, err := cfg.GetCertificate(nil)
			require.NoError(t, err)
			return cert.Leaf.Subject.CommonName
		}
		require.Equal(t, "old.test", served())
		renewed, _ := signed(t, "renewed.test")
		write(t, dir, renewed)
		require.Equal(t, "old.test", served(), "looked at again too soon")
		time.Sleep(time.Second)
		require.Equal(t, "renewed.test", served())
		require.NoError(t, os.WriteFile(certFile, []byte("garbage"), 0o600))
		time.Sleep(time.Second)
		require.Equal(t, "renewed.test", served(), "the old one stays")
	})
}

func TestWhatCannotWorkIsRefused(t *testing.T) {
	cert, _ := signed(t, "a.test")
	certs := []tls.Certificate{cert}
	for want, s := range map[string]*tlsconf.Server{
		"no certificate":                     {},
		"go together":                        {CertFile: "x"},
		"is that the path?":                  {CertFile: "/does/not/exist", KeyFile: "/does/not/exist"},
		"no authorities are trusted":         {Certificates: certs, ClientAuth: tls.RequireAndVerifyClientCert},
		"not a name that a client":           {Certificates: certs, Hosts: map[string]*tlsconf.Server{"*.*.a": {Certificates: certs}}},
		`tls: host "a.test": no certificate`: {Certificates: certs, Hosts: map[string]*tlsconf.Server{"a.test": {}}},
		"its configuration is nil":           {Certificates: certs, Hosts: map[string]*tlsconf.Server{"a.test": nil}},
	} {
		_, err := s.Config(nil)
		require.ErrorContains(t, err, want)
	}
	const nowhere = "/does/not/exist"
	certFile, keyFile := write(t, t.TempDir(), cert)
	for _, c := range []*tlsconf.Client{
		{RootCAFile: nowhere}, {CertFile: nowhere, KeyFile: keyFile}, {CertFile: certFile, KeyFile: nowhere},
	} {
		_, _, err := c.Config("a.test")
		require.ErrorIs(t, err, os.ErrNotExist)
		require.ErrorContains(t, err, "is that the path?")
	}
}

func TestOldVersionsAreNotSpoken(t *testing.T) {
	cert, pool := signed(t, "a.test")
	server := serverConfig(t, &tlsconf.Server{Certificates: []tls.Certificate{cert}, Base: &tls.Config{MinVersion: tls.VersionTLS10}})
	client := clientConfig(t, &tlsconf.Client{RootCAs: pool}, "a.test")
	client.MinVersion, client.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	_, _, serverErr, clientErr := handshake(t, server, client)
	require.Error(t, serverErr)
	require.Error(t, clientErr)
}
