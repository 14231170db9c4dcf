package servers

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/weir-go/weir/internal/tlsconf"
)

// TLSConfig says who a server is and whom it trusts. It needs a certificate; everything else may be left out. The
// zero value of the rest is TLS 1.2 or later with the suites and curves of the standard library, and no certificates of
// clients.
type TLSConfig struct {
	// The certificate comes from one of three places: Certificates as they are, CertPEM and KeyPEM, or CertFile and
	// KeyFile. A certificate file holds the whole chain, the server's own first. The files are looked at again when a
	// handshake comes, at most once a second, and read again if they are others or have changed; while the new ones cannot
	// be read the old certificate stays. The Logger gets one line when that begins and one when it is over, and one about a
	// certificate that has expired.
	Certificates      []tls.Certificate
	CertPEM, KeyPEM   []byte
	CertFile, KeyFile string

	// ClientCAs, or the PEM file ClientCAFile, are the authorities whose clients are trusted: mutual TLS. The file is read
	// again as those of the certificate are. ClientAuth says what is asked of clients; its zero value means
	// tls.RequireAndVerifyClientCert if there are authorities, and otherwise what Base says.
	ClientCAs    *x509.CertPool
	ClientCAFile string
	ClientAuth   tls.ClientAuthType

	// ALPN are the application protocols that the server speaks, the preferred one first (RFC 7301). A client that offers
	// others only is refused; one that offers none is not. nil means those that the server of a protocol sets by
	// [Listener.SetALPN], or none.
	ALPN []string

	// Hosts are the configurations of other names that clients may ask for (SNI, RFC 6066): an exact name, or
	// "*.example.com" for one label in the place of the asterisk; an exact name wins. Names are compared without regard to
	// case, and international ones are written in Unicode or as "xn--...". What no client can ask for, such as an IP
	// address, is refused. The configuration around Hosts is that of clients that name another host or none.
	//
	// Each has its own certificate and clients. Without its own it has the ALPN, versions and Base of the configuration
	// around it. Hosts and HandshakeTimeout stay empty.
	Hosts map[string]*TLSConfig

	// HandshakeTimeout is how long a handshake may take. 0 means 10 s, negative no limit.
	HandshakeTimeout time.Duration

	// MinVersion is the lowest version of TLS that is spoken. 0 means tls.VersionTLS12, and so does anything lower.
	MinVersion uint16

	// Base, if not nil, has what has no field here. It is copied. What a field above says goes before Base in every case,
	// also before a GetCertificate or the result of a GetConfigForClient. A panic of its callbacks fails the handshake.
	Base *tls.Config
}

// internal returns s as the internal package has it.
func (s *TLSConfig) internal() *tlsconf.Server {
	if s == nil {
		return nil
	}
	t := &tlsconf.Server{
		Certificates: s.Certificates, CertPEM: s.CertPEM, KeyPEM: s.KeyPEM, CertFile: s.CertFile, KeyFile: s.KeyFile,
		ClientCAs: s.ClientCAs, ClientCAFile: s.ClientCAFile, ClientAuth: s.ClientAuth,
		ALPN: s.ALPN, HandshakeTimeout: s.HandshakeTimeout, MinVersion: s.MinVersion, Base: s.Base,
	}
	if s.Hosts != nil {
		t.Hosts = map[string]*tlsconf.Server{}
	}
	for name, host := range s.Hosts {
		t.Hosts[name] = host.internal()
	}
	return t
}

// SelfSigned returns a certificate for the given names and IP addresses, valid for a day for servers and clients, and
// a pool in which it is the one authority. It is for tests and demonstrations.
func SelfSigned(names ...string) (tls.Certificate, *x509.CertPool, error) {
	return tlsconf.SelfSigned(names...)
}

// ListenTLS is [ListenTCP] with secure as Config.TLS. The connections that Serve and Conns give out have been through
// their handshakes, which are done beside the accepting, so that a peer that is slow with its own holds up nobody; the
// state of the session and the verified peer are in [chanio.Conn.TLS]. A handshake that fails, or is not over within
// TLSConfig.HandshakeTimeout, is one line of the Logger. At most Config.MaxHandshakes are under way at once.
//
// A configuration that cannot work is refused with an error that says what to do.
func ListenTLS(addr string, secure *TLSConfig, cfg *Config) (*Listener, error) {
	return ListenTCP(addr, withTLS(secure, cfg))
}

// withTLS returns a copy of cfg whose TLS is secure.
func withTLS(secure *TLSConfig, cfg *Config) *Config {
	c := Config{}
	if cfg != nil {
		c = *cfg
	}
	if c.TLS = secure; secure == nil {
		c.TLS = &TLSConfig{}
	}
	return &c
}
