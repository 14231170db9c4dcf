package tlsconf_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/tlsconf"
)

// insecure trusts any certificate and sends a name.
func insecure(t *testing.T, name string) *tls.Config {
	return clientConfig(t, &tlsconf.Client{InsecureSkipVerify: true}, name)
}

// served returns the certificate name that a server presents to a client that sends a name.
func served(t *testing.T, server *tls.Config, name string) string {
	t.Helper()
	_, c, serverErr, err := handshake(t, server, insecure(t, name))
	require.NoError(t, err)
	require.NoError(t, serverErr)
	return c.PeerCertificates[0].Subject.CommonName
}

func TestWhatTheFieldsSayGoesBeforeBase(t *testing.T) {
	own, _ := signed(t, "own.test")
	base, _ := signed(t, "base.test")
	certFile, keyFile := write(t, t.TempDir(), own)
	certPEM, err := os.ReadFile(certFile)
	require.NoError(t, err)
	keyPEM, err := os.ReadFile(keyFile)
	require.NoError(t, err)
	bases := map[string]*tls.Config{
		"Certificates":      {Certificates: []tls.Certificate{base}},
		"GetCertificate":    {GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &base, nil }},
		"NameToCertificate": {Certificates: []tls.Certificate{base}, NameToCertificate: map[string]*tls.Certificate{"a.test": &base}},
		"GetConfigForClient": {GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{Certificates: []tls.Certificate{base}, MaxVersion: tls.VersionTLS12, NextProtos: []string{"base"}}, nil
		}},
	}
	for name, b := range bases {
		for _, s := range []*tlsconf.Server{
			{Certificates: []tls.Certificate{own}}, {CertPEM: certPEM, KeyPEM: keyPEM}, {CertFile: certFile, KeyFile: keyFile},
		} {
			s.Base, s.ALPN = b, []string{"own"}
			server := serverConfig(t, s)
			for _, asked := range []string{"a.test", "", "other.test"} {
				require.Equal(t, "own.test", served(t, server, asked), "%s, %q", name, asked)
			}
			client := insecure(t, "a.test")
			client.NextProtos = []string{"base", "own"}
			_, c, _, err := handshake(t, server, client)
			require.NoError(t, err)
			require.Equal(t, "own", c.NegotiatedProtocol, name)
		}
	}
	require.Equal(t, "base.test", served(t, serverConfig(t, &tlsconf.Server{Base: bases["GetConfigForClient"]}), "a.test"))
}

func TestAClientsFieldsGoBeforeBase(t *testing.T) {
	cert, pool := signed(t, "a.test")
	mine, authority := signed(t, "mine")
	base, _ := signed(t, "base")
	server := serverConfig(t, &tlsconf.Server{Certificates: []tls.Certificate{cert}, ClientCAs: authority})
	certFile, keyFile := write(t, t.TempDir(), mine)
	for _, c := range []*tlsconf.Client{{Certificates: []tls.Certificate{mine}}, {CertFile: certFile, KeyFile: keyFile}} {
		c.RootCAs, c.ServerName = pool, "a.test"
		c.Base = &tls.Config{
			RootCAs: x509.NewCertPool(), ServerName: "b.test", Certificates: []tls.Certificate{base},
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &base, nil },
		}
		s, _, err, _ := handshake(t, server, clientConfig(t, c, "c.test"))
		require.NoError(t, err)
		require.Equal(t, "mine", s.PeerCertificates[0].Subject.CommonName)
	}
}

func TestHostsInheritALPNAndVersions(t *testing.T) {
	cert, _ := signed(t, "default.test")
	one, _ := signed(t, "one.test")
	server := serverConfig(t, &tlsconf.Server{
		Certificates: []tls.Certificate{cert}, ALPN: []string{"a"}, MinVersion: tls.VersionTLS13,
		Hosts: map[string]*tlsconf.Server{
			"one.test":   {Certificates: []tls.Certificate{one}},
			"two.test":   {Base: &tls.Config{Certificates: []tls.Certificate{one}}},
			"three.test": {Certificates: []tls.Certificate{one}, ALPN: []string{"b"}, MinVersion: tls.VersionTLS12},
		},
	})
	for host, want := range map[string]string{"one.test": "a", "two.test": "a", "three.test": "b"} {
		client := insecure(t, host)
		client.NextProtos = []string{"b", "a"}
		_, c, _, err := handshake(t, server, client)
		require.NoError(t, err)
		require.Equal(t, want, c.NegotiatedProtocol, host)
		require.Equal(t, "one.test", c.PeerCertificates[0].Subject.CommonName)
		client.MaxVersion = tls.VersionTLS12
		_, _, _, err = handshake(t, server, client)
		require.Equal(t, host == "three.test", err == nil, "%s: %v", host, err)
	}
}

func TestHostsUseTheCallbackOfTheServersBase(t *testing.T) {
	own, _ := signed(t, "own.test")
	base, _ := signed(t, "base.test")
	_, authority := signed(t, "client")
	var refuse error
	server := serverConfig(t, &tlsconf.Server{
		Certificates: []tls.Certificate{base}, MinVersion: tls.VersionTLS13,
		Base: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{
				Certificates: []tls.Certificate{base}, NextProtos: []string{"chosen"}, MinVersion: tls.VersionTLS12,
				ClientCAs: authority, ClientAuth: tls.RequireAndVerifyClientCert,
			}, refuse
		}},
		Hosts: map[string]*tlsconf.Server{"own.test": {Certificates: []tls.Certificate{own}}},
	})
	client := insecure(t, "own.test")
	client.NextProtos = []string{"chosen"}
	_, c, _, err := handshake(t, server, client)
	require.NoError(t, err)
	require.Equal(t, "chosen", c.NegotiatedProtocol)
	require.Equal(t, "own.test", c.PeerCertificates[0].Subject.CommonName, "a host has its own certificate")
	client.MaxVersion = tls.VersionTLS12
	_, _, _, err = handshake(t, server, client)
	require.Error(t, err, "the versions of the server hold for its hosts")

	refuse = errors.New("not for you")
	_, _, err, _ = handshake(t, server, insecure(t, "own.test"))
	require.ErrorIs(t, err, refuse)
	_, err = (&tlsconf.Server{
		Base:  &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }},
		Hosts: map[string]*tlsconf.Server{"own.test": {}},
	}).Config(nil)
	require.ErrorContains(t, err, "no certificate")
}

func TestWhatTheBaseOfAHostChoosesInheritsALPNAndVersions(t *testing.T) {
	cert, _ := signed(t, "a.test")
	choose := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{cert}}, nil
	}
	server := serverConfig(t, &tlsconf.Server{
		Certificates: []tls.Certificate{cert}, ALPN: []string{"a"}, MinVersion: tls.VersionTLS13,
		Hosts: map[string]*tlsconf.Server{"a.test": {Base: &tls.Config{GetConfigForClient: choose}}},
	})
	client := insecure(t, "a.test")
	client.NextProtos = []string{"a"}
	_, c, _, err := handshake(t, server, client)
	require.NoError(t, err)
	require.Equal(t, "a", c.NegotiatedProtocol)
	client.MaxVersion = tls.VersionTLS12
	_, _, _, err = handshake(t, server, client)
	require.Error(t, err)
}

func TestDefaultProtocolsAreOfConfigurationsWithoutProtocols(t *testing.T) {
	cert, _ := signed(t, "a.test")
	chosen := &tls.Config{Certificates: []tls.Certificate{cert}}
	with := func(protos ...string) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protos}
	}
	server := serverConfig(t, &tlsconf.Server{
		DefaultALPN: []string{"default"},
		Base:        &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }},
		Hosts: map[string]*tlsconf.Server{
			"heir.test": {Certificates: []tls.Certificate{cert}}, "none.test": {Base: with()},
			"base.test": {Base: with("base")}, "alpn.test": {Base: with("base"), ALPN: []string{"alpn"}},
		},
	})
	speaks := func(host string) string {
		client := insecure(t, host)
		client.NextProtos = []string{"chosen", "default", "base", "alpn"}
		_, c, _, err := handshake(t, server, client)
		require.NoError(t, err)
		return c.NegotiatedProtocol
	}
	for host, want := range map[string]string{
		"main.test": "default", "heir.test": "default", "none.test": "default", "base.test": "base", "alpn.test": "alpn",
	} {
		require.Equal(t, want, speaks(host), host)
	}
	chosen = with("chosen")
	require.Equal(t, "chosen", speaks("main.test"))
	require.Equal(t, "chosen", speaks("heir.test"))
}

func TestCertificatesAreCopied(t *testing.T) {
	one, _ := signed(t, "one.test")
	other, _ := signed(t, "other.test")
	certs, base := []tls.Certificate{one}, []tls.Certificate{one}
	servers := []*tls.Config{
		serverConfig(t, &tlsconf.Server{Certificates: certs}), serverConfig(t, &tlsconf.Server{Base: &tls.Config{Certificates: base}}),
	}
	certs[0], base[0] = other, other
	for _, server := range servers {
		require.Equal(t, "one.test", served(t, server, "a.test"))
	}
}

// echConfig returns an ECHConfig (RFC 9849) for public.test with an X25519 key.
func echConfig(key *ecdh.PrivateKey) []byte {
	vector := func(p []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(p))), p...) }
	const name = "public.test"
	contents := slices.Concat([]byte{1, 0, 0x20}, vector(key.PublicKey().Bytes()), vector([]byte{0, 1, 0, 1}),
		[]byte{0, byte(len(name))}, []byte(name), vector(nil))
	return append([]byte{0xfe, 0x0d}, vector(contents)...)
}

func TestEncryptedHellosOfBaseFindTheirHost(t *testing.T) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	config := echConfig(key)
	list := append(binary.BigEndian.AppendUint16(nil, uint16(len(config))), config...)
	public, _ := signed(t, "public.test")
	own, pool := signed(t, "own.test")
	server := serverConfig(t, &tlsconf.Server{
		Certificates: []tls.Certificate{public},
		Base:         &tls.Config{EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{{Config: config, PrivateKey: key.Bytes()}}},
		Hosts:        map[string]*tlsconf.Server{"own.test": {Certificates: []tls.Certificate{own}}},
	})
	client := &tlsconf.Client{RootCAs: pool, Base: &tls.Config{EncryptedClientHelloConfigList: list}}
	s, c, _, err := handshake(t, server, clientConfig(t, client, "own.test"))
	require.NoError(t, err)
	require.True(t, s.ECHAccepted && c.ECHAccepted)
	require.Equal(t, "own.test", s.ServerName)
	client.MinVersion = tls.VersionTLS12
	_, _, _, err = handshake(t, server, clientConfig(t, client, "own.test"))
	require.ErrorContains(t, err, "MinVersion")
}

func TestKeysOfHostsThatNobodyCanAskForAreRefused(t *testing.T) {
	cert, _ := signed(t, "a.test")
	config := func(hosts ...string) error {
		s := &tlsconf.Server{Certificates: []tls.Certificate{cert}, Hosts: map[string]*tlsconf.Server{}}
		for _, host := range hosts {
			s.Hosts[host] = &tlsconf.Server{Certificates: []tls.Certificate{cert}}
		}
		_, err := s.Config(nil)
		return err
	}
	for _, bad := range []string{
		"", "*", "*.", "*com", "f*.a.test", "*.*.a.test", "a.*.test", "a.test.", "*.a.test.", ".a.test", "a..test", "a.test:443", "https://a.test",
		"127.0.0.1", "::1", "[::1]", "a\x00b", "a b", strings.Repeat("a", 64) + ".test",
	} {
		require.ErrorContains(t, config(bad), "not a name that a client can ask for", "%q", bad)
	}
	for _, twice := range [][]string{{"A.test", "a.test"}, {"bücher.test", "xn--bcher-kva.test"}, {"*.A.test", "*.a.test"}} {
		require.ErrorContains(t, config(twice...), "twice, written differently", "%q", twice)
	}
	require.NoError(t, config("a.test", "*.a.test", "a", "_x.test", "bücher.test"))
	for _, host := range []*tlsconf.Server{
		{Certificates: []tls.Certificate{cert}, HandshakeTimeout: 1}, {Certificates: []tls.Certificate{cert}, Hosts: map[string]*tlsconf.Server{"b": nil}},
	} {
		_, err := (&tlsconf.Server{Certificates: []tls.Certificate{cert}, Hosts: map[string]*tlsconf.Server{"a.test": host}}).Config(nil)
		require.ErrorContains(t, err, "for the whole server")
	}
}

func TestInternationalNamesAreSentAndComparedInASCII(t *testing.T) {
	fallback, _ := signed(t, "default.test")
	cert, pool := signed(t, "xn--bcher-kva.test")
	server := serverConfig(t, &tlsconf.Server{
		Certificates: []tls.Certificate{fallback}, Hosts: map[string]*tlsconf.Server{"BÜCHER.test": {Certificates: []tls.Certificate{cert}}},
	})
	for _, name := range []string{"bücher.test", "BÜCHER.test:443", "xn--bcher-kva.test", "XN--BCHER-KVA.test."} {
		s, _, _, err := handshake(t, server, clientConfig(t, &tlsconf.Client{RootCAs: pool}, name))
		require.NoError(t, err, name)
		require.Equal(t, "xn--bcher-kva.test", s.ServerName)
		_, _, _, err = handshake(t, server, clientConfig(t, &tlsconf.Client{RootCAs: pool, ServerName: name[:len(name)-len(portOf(name))]}, "x.test"))
		require.NoError(t, err, name)
	}
	_, _, err := (&tlsconf.Client{}).Config("a b.test")
	require.ErrorContains(t, err, "not a valid host name")
}

func portOf(name string) string {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		return name[i:]
	}
	return ""
}

func TestAZoneIsNoPartOfACertificate(t *testing.T) {
	cert, pool := signed(t, "fe80::1", "127.0.0.1")
	server := serverConfig(t, &tlsconf.Server{Certificates: []tls.Certificate{cert}})
	for _, hide := range []bool{false, true} {
		for _, host := range []string{"[fe80::1%eth0]:443", "fe80::1%eth0", "127.0.0.1:1"} {
			_, _, _, err := handshake(t, server, clientConfig(t, &tlsconf.Client{RootCAs: pool, HideServerName: hide}, host))
			require.NoError(t, err, host)
		}
	}
}

func TestAClientThatOffersOtherProtocolsOnlyIsRefused(t *testing.T) {
	cert, _ := signed(t, "a.test")
	for _, c := range []struct {
		server, client []string
		ok             bool
	}{
		{[]string{"x"}, []string{"y"}, false}, {[]string{"h2"}, []string{"http/1.1"}, false}, {[]string{"h2", "x"}, []string{"http/1.1", "y"}, false},
		{[]string{"x"}, nil, true}, {[]string{"h2"}, nil, true}, {nil, []string{"h2"}, true}, {[]string{"h2", "http/1.1"}, []string{"http/1.1"}, true},
	} {
		client := insecure(t, "a.test")
		client.NextProtos = c.client
		_, _, _, err := handshake(t, serverConfig(t, &tlsconf.Server{Certificates: []tls.Certificate{cert}, ALPN: c.server}), client)
		require.Equal(t, c.ok, err == nil, "%v: %v", c, err)
		if err != nil {
			require.ErrorContains(t, err, "no application protocol")
		}
	}
}

func TestHiddenOrNotVerifiedChainsAreKnown(t *testing.T) {
	cert, pool := signed(t, "a.test")
	server := serverConfig(t, &tlsconf.Server{Certificates: []tls.Certificate{cert}})
	for _, hide := range []bool{false, true} {
		inConnection, inPeer := 0, 0
		cfg, complete, err := (&tlsconf.Client{RootCAs: pool, HideServerName: hide, Base: &tls.Config{
			VerifyConnection:      func(s tls.ConnectionState) error { inConnection = len(s.VerifiedChains); return nil },
			VerifyPeerCertificate: func(raw [][]byte, chains [][]*x509.Certificate) error { inPeer = len(raw) * len(chains); return nil },
		}}).Config("a.test")
		require.NoError(t, err)
		_, c, _, err := handshake(t, server, cfg)
		require.NoError(t, err)
		if complete != nil {
			complete(&c)
		}
		require.Equal(t, []int{1, 1, 1}, []int{len(c.VerifiedChains), inConnection, inPeer}, "hidden %v", hide)
	}
	for _, hide := range []bool{false, true} {
		unwanted := errors.New("unwanted")
		cfg, _, err := (&tlsconf.Client{RootCAs: pool, HideServerName: hide, Base: &tls.Config{
			VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return unwanted },
		}}).Config("a.test")
		require.NoError(t, err)
		_, _, _, err = handshake(t, server, cfg)
		require.ErrorIs(t, err, unwanted, "hidden %v", hide)
	}
	_, _, err := (&tlsconf.Client{HideServerName: true}).Config("")
	require.ErrorContains(t, err, "set ServerName")
}

func TestWhatIsGivenTwiceIsRefused(t *testing.T) {
	cert, pool := signed(t, "a.test")
	certs := []tls.Certificate{cert}
	certFile, keyFile := write(t, t.TempDir(), cert)
	for want, s := range map[string]*tlsconf.Server{
		"in several places":  {Certificates: certs, CertFile: certFile, KeyFile: keyFile},
		"CertPEM and KeyPEM": {CertPEM: []byte("x")},
		"in two places":      {Certificates: certs, ClientCAs: pool, ClientCAFile: certFile},
		"no certificate in":  {Certificates: certs, ClientCAFile: keyFile},
		"no version is left": {Certificates: certs, MinVersion: tls.VersionTLS13, Base: &tls.Config{MaxVersion: tls.VersionTLS12}},
	} {
		_, err := s.Config(nil)
		require.ErrorContains(t, err, want)
	}
	for want, c := range map[string]*tlsconf.Client{
		"set RootCAs or": {RootCAs: pool, RootCAFile: certFile}, "set Certificates, or": {Certificates: certs, CertFile: certFile, KeyFile: keyFile},
	} {
		_, _, err := c.Config("a.test")
		require.ErrorContains(t, err, want)
	}
}

// book collects log lines.
type book struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.FieldsFunc(b.text.String(), func(c rune) bool { return c == '\n' })
}

func TestABrokenFileIsOneLineAndItsRecoveryAnother(t *testing.T) {
	dir := t.TempDir()
	one, _ := signed(t, "one.test")
	two, _ := signed(t, "two.test")
	certFile, keyFile := write(t, dir, one)
	synctest.Test(t, func(t *testing.T) { // for its clock
		var log book
		s := &tlsconf.Server{CertFile: certFile, KeyFile: keyFile}
		cfg, err := s.Config(slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		begun := len(log.lines()) // the bubble's clock is outside the certificate's validity
		get := func() string {
			time.Sleep(time.Second)
			cert, err := cfg.GetCertificate(nil)
			require.NoError(t, err)
			return cert.Leaf.Subject.CommonName
		}
		for range 2 {
			require.NoError(t, os.WriteFile(certFile, []byte("garbage"), 0o600))
			for range 5 {
				require.Equal(t, "one.test", get())
			}
			require.NoError(t, os.Remove(certFile))
			require.Equal(t, "one.test", get())
			require.Len(t, log.lines(), begun+1)
			require.Contains(t, log.lines()[begun], "level=WARN msg=\"tls: cannot reload the certificate, the old one stays\"")
			write(t, dir, one)
			require.Equal(t, "one.test", get())
			lines := log.lines()
			require.Contains(t, lines[len(lines)-1], "level=INFO msg=\"tls: the certificate can be read again\"")
			begun = len(lines)
		}
		write(t, dir, two)
		require.Equal(t, "two.test", get())
	})
}

// A resumed session would not be asked for its certificate again.
func TestSessionsAreResumedUnlessClientsAreAskedWhoTheyAre(t *testing.T) {
	cert, pool := signed(t, "one.test")
	for auth, resumed := range map[tls.ClientAuthType]bool{
		tls.NoClientCert: true, tls.RequestClientCert: false, tls.RequireAndVerifyClientCert: false,
	} {
		server := serverConfig(t, &tlsconf.Server{Certificates: []tls.Certificate{cert}, ClientAuth: auth, ClientCAs: believed(auth, pool)})
		client := &tls.Config{
			RootCAs: pool, ServerName: "one.test", Certificates: []tls.Certificate{cert},
			ClientSessionCache: tls.NewLRUClientSessionCache(1), MaxVersion: tls.VersionTLS12, // the ticket is part of the handshake
		}
		for i := range 2 {
			s, c, serverErr, clientErr := handshake(t, server, client)
			require.NoError(t, serverErr)
			require.NoError(t, clientErr)
			require.Equal(t, i > 0 && resumed, s.DidResume, auth)
			require.Equal(t, i > 0 && resumed, c.DidResume, auth)
		}
	}
}

func believed(auth tls.ClientAuthType, pool *x509.CertPool) *x509.CertPool {
	if auth < tls.VerifyClientCertIfGiven {
		return nil
	}
	return pool
}

func TestTheLoggerIsToldOfACertificateThatIsNotValidYet(t *testing.T) {
	cert, _ := signed(t, "one.test")
	synctest.Test(t, func(t *testing.T) { // its clock is years behind
		var log book
		s := &tlsconf.Server{Certificates: []tls.Certificate{cert}}
		_, err := s.Config(slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		require.Len(t, log.lines(), 1)
		require.Contains(t, log.lines()[0], `level=WARN msg="tls: the certificate is not valid yet, and clients will refuse it`)
		require.Contains(t, log.lines()[0], "one.test")
	})
}

// A server whose certificate is not renewed runs on, and says once that clients refuse it.
func TestTheLoggerIsToldOfACertificateThatExpiresMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // for its clock
		cert, _ := signed(t, "one.test")
		certFile, keyFile := write(t, t.TempDir(), cert)
		var log book
		s := &tlsconf.Server{CertFile: certFile, KeyFile: keyFile}
		cfg, err := s.Config(slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		after := func(d time.Duration) []string {
			time.Sleep(d)
			_, err := cfg.GetCertificate(nil)
			require.NoError(t, err)
			return log.lines()
		}
		require.Empty(t, after(time.Hour))
		for range 2 {
			lines := after(25 * time.Hour)
			require.Len(t, lines, 1)
			require.Contains(t, lines[0], `level=WARN msg="tls: the certificate has expired, and clients will refuse it`)
		}
		renewed, _ := signed(t, "one.test")
		write(t, filepath.Dir(certFile), renewed)
		require.Len(t, after(time.Hour), 1)
		require.Len(t, after(25*time.Hour), 2)
	})
}

// So does one whose certificate is no file.
func TestTheLoggerIsToldOfEachGivenCertificateThatExpiresMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // for its clock
		one, _ := signed(t, "one.test")
		other, _ := signed(t, "other.test")
		other.Leaf = nil // as in a tls.Certificate that was put together by hand
		certFile, keyFile := write(t, t.TempDir(), other)
		certPEM, err := os.ReadFile(certFile)
		require.NoError(t, err)
		keyPEM, err := os.ReadFile(keyFile)
		require.NoError(t, err)
		var log book
		s := &tlsconf.Server{
			Certificates: []tls.Certificate{one},
			Hosts: map[string]*tlsconf.Server{
				"other.test": {Certificates: []tls.Certificate{other}}, "pem.test": {CertPEM: certPEM, KeyPEM: keyPEM},
			},
		}
		cfg, err := s.Config(slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		after := func(d time.Duration, name string) []string {
			time.Sleep(d)
			_, err := cfg.GetConfigForClient(&tls.ClientHelloInfo{ServerName: name})
			require.NoError(t, err)
			return log.lines()
		}
		require.Empty(t, after(time.Hour, "one.test"))
		for i, name := range []string{"one.test", "other.test", "pem.test"} {
			for range 2 {
				lines := after(25*time.Hour, name)
				require.Len(t, lines, i+1, name)
				require.Contains(t, lines[i], `level=WARN msg="tls: the certificate has expired, and clients will refuse it`)
			}
		}
	})
}

// A certificate that is issued ahead of time is both in turn.
func TestTheLoggerIsToldOfACertificateThatExpiresAfterItWasNotValidYet(t *testing.T) {
	cert, _ := signed(t, "one.test")
	certFile, keyFile := write(t, t.TempDir(), cert)
	synctest.Test(t, func(t *testing.T) { // its clock is years behind
		var log book
		s := &tlsconf.Server{CertFile: certFile, KeyFile: keyFile}
		cfg, err := s.Config(slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		require.Len(t, log.lines(), 1)
		time.Sleep(time.Until(cert.Leaf.NotAfter) + time.Hour)
		_, err = cfg.GetCertificate(nil)
		require.NoError(t, err)
		require.Len(t, log.lines(), 2)
		require.Contains(t, log.lines()[1], "the certificate has expired")
	})
}

// Deployments that keep modification times, as Nix and rsync -t do, replace a file with another of the same time.
func TestAnotherFileOfTheSameTimeAndSizeIsReadAnew(t *testing.T) {
	one, _ := signed(t, "one.test")
	two, _ := signed(t, "two.test")
	dir := t.TempDir()
	place := func(cert tls.Certificate) {
		next := t.TempDir()
		write(t, next, cert)
		for _, name := range []string{"cert.pem", "key.pem"} {
			data, err := os.ReadFile(filepath.Join(next, name))
			require.NoError(t, err)
			padded := append(data, strings.Repeat("\n", 2000-len(data))...)
			require.NoError(t, os.WriteFile(filepath.Join(next, name), padded, 0o600))
			require.NoError(t, os.Chtimes(filepath.Join(next, name), time.Unix(1, 0), time.Unix(1, 0)))
			require.NoError(t, os.Rename(filepath.Join(next, name), filepath.Join(dir, name)))
		}
	}
	place(one)
	synctest.Test(t, func(t *testing.T) {
		cfg := serverConfig(t, &tlsconf.Server{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")})
		place(two)
		time.Sleep(time.Second)
		cert, err := cfg.GetCertificate(nil)
		require.NoError(t, err)
		require.Equal(t, "two.test", cert.Leaf.Subject.CommonName)
	})
}

func TestAuthoritiesOfClientsAreReadAnewToo(t *testing.T) {
	cert, _ := signed(t, "a.test")
	old, _ := signed(t, "old")
	renewed, _ := signed(t, "renewed")
	dir := t.TempDir()
	file, _ := write(t, dir, old)
	now := time.Now() // the certificates are valid now
	synctest.Test(t, func(t *testing.T) {
		server := serverConfig(t, &tlsconf.Server{
			Certificates: []tls.Certificate{cert}, ClientCAFile: file, Base: &tls.Config{Time: func() time.Time { return now }},
			Hosts: map[string]*tlsconf.Server{"host.test": {Certificates: []tls.Certificate{cert}, ClientCAFile: file}},
		})
		try := func(mine tls.Certificate, host string) error {
			client := insecure(t, host)
			client.Certificates = []tls.Certificate{mine}
			_, _, err, _ := handshake(t, server, client)
			return err
		}
		hosts := []string{"a.test", "host.test"}
		for _, host := range hosts {
			require.NoError(t, try(old, host))
			require.Error(t, try(renewed, host))
		}
		write(t, dir, renewed)
		time.Sleep(time.Second)
		for _, host := range hosts {
			require.NoError(t, try(renewed, host))
			require.Error(t, try(old, host))
		}
	})
}

// Package crypto/tls skips a block that is cut off, so a file that is being written would be a shorter one.
func TestAFileThatIsHalfWrittenIsNotTaken(t *testing.T) {
	cert, _ := signed(t, "a.test")
	first, _ := signed(t, "first")
	second, _ := signed(t, "second")
	dir := t.TempDir()
	pemOf := func(certs ...tls.Certificate) (all []byte) {
		for _, c := range certs {
			all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})...)
		}
		return all
	}
	authorities := filepath.Join(dir, "authorities.pem")
	certFile, keyFile := write(t, dir, cert)
	place := func(cut int) {
		cas, chain := pemOf(first, second), pemOf(cert, first)
		require.NoError(t, os.WriteFile(authorities, cas[:len(cas)-cut], 0o600))
		require.NoError(t, os.WriteFile(certFile, chain[:len(chain)-cut], 0o600))
	}
	place(0)
	now := time.Now() // the certificates are valid now
	synctest.Test(t, func(t *testing.T) {
		server := serverConfig(t, &tlsconf.Server{
			CertFile: certFile, KeyFile: keyFile, ClientCAFile: authorities, Base: &tls.Config{Time: func() time.Time { return now }},
		})
		for _, cut := range []int{100, 0, 10, 300} {
			place(cut)
			time.Sleep(time.Second)
			client := insecure(t, "a.test")
			client.Certificates = []tls.Certificate{second}
			_, state, err, _ := handshake(t, server, client)
			require.NoError(t, err, cut)
			require.Len(t, state.PeerCertificates, 2, cut)
		}
	})
	_, err := (&tlsconf.Server{CertFile: certFile, KeyFile: keyFile}).Config(nil)
	require.ErrorContains(t, err, "damaged or cut off")
	_, err = (&tlsconf.Server{Certificates: []tls.Certificate{cert}, ClientCAFile: authorities}).Config(nil)
	require.ErrorContains(t, err, "damaged or cut off")
}

func TestTheVersionOfTheClientGoesBeforeThatOfItsBase(t *testing.T) {
	for _, c := range []struct{ field, base, want uint16 }{
		{0, 0, tls.VersionTLS12},
		{tls.VersionTLS13, 0, tls.VersionTLS13},
		{0, tls.VersionTLS13, tls.VersionTLS13},
		{tls.VersionTLS12, tls.VersionTLS13, tls.VersionTLS12},
		{tls.VersionTLS13, tls.VersionTLS12, tls.VersionTLS13},
		{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12},
	} {
		cfg, _, err := (&tlsconf.Client{MinVersion: c.field, Base: &tls.Config{MinVersion: c.base}}).Config("weir.test")
		require.NoError(t, err)
		require.Equal(t, c.want, cfg.MinVersion)
	}
}

func TestTheProtocolsOfTheClientGoBeforeThoseOfItsBase(t *testing.T) {
	for _, c := range []struct{ field, base, want []string }{
		{nil, nil, nil},
		{[]string{"h2"}, nil, []string{"h2"}},
		{nil, []string{"h2"}, []string{"h2"}},
		{[]string{"a"}, []string{"b"}, []string{"a"}},
	} {
		cfg, _, err := (&tlsconf.Client{ALPN: c.field, Base: &tls.Config{NextProtos: c.base}}).Config("weir.test")
		require.NoError(t, err)
		require.Equal(t, c.want, cfg.NextProtos)
	}
}
