package servers

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/weir-go/weir/internal/tlsconf"
)

// TLSConfig configures TLS for a server. A certificate is required. By default the server speaks TLS 1.2 or later with
// the cipher suites and curves of the standard library and does not ask for client certificates.
type TLSConfig struct {
	// The certificate comes from Certificates, from CertPEM and KeyPEM, or from CertFile and KeyFile, in PEM or DER. A
	// certificate file holds the whole chain, the server's certificate first. Files are checked for changes during
	// handshakes, at most once a second, and reloaded when they have changed. While the new files cannot be read, the
	// old certificate remains in use; the Logger gets one line when that starts and one when it ends. It also gets one
	// at the first handshake with a certificate that has expired, wherever that comes from.
	Certificates      []tls.Certificate
	CertPEM, KeyPEM   []byte
	CertFile, KeyFile string

	// ClientCAs, or those in ClientCAFile, in PEM or DER, are trusted to sign client certificates (mutual TLS).
	// The file is reloaded like the certificate files. The zero ClientAuth means tls.RequireAndVerifyClientCert if
	// there are authorities, and otherwise the setting of Base.
	ClientCAs    *x509.CertPool
	ClientCAFile string
	ClientAuth   tls.ClientAuthType

	// ALPN lists the application protocols that the server speaks, in order of preference (RFC 7301). A client that
	// offers only other protocols is refused; a client that offers none is accepted. nil means the protocols set by
	// [Listener.SetALPN], or none.
	ALPN []string

	// Hosts holds the configurations of further server names (SNI, RFC 6066). A key is an exact name, or
	// "*.example.com" where the asterisk stands for one label; an exact name takes precedence. Keys are
	// case-insensitive, and international names may be in Unicode or "xn--..." form. A key that no client can send,
	// such as an IP address, is an error. Clients that send another name or none get the configuration that contains
	// Hosts.
	//
	// Each entry has its own certificates and client authorities. It inherits ALPN, versions and Base, with
	// its callbacks, if it does not set them. Its own Hosts and HandshakeTimeout must be empty.
	Hosts map[string]*TLSConfig

	// HandshakeTimeout limits the duration of a handshake. 0 means 10 s; negative means no limit.
	HandshakeTimeout time.Duration

	// MinVersion is the lowest TLS version accepted. 0 and anything lower than TLS 1.2 mean tls.VersionTLS12.
	MinVersion uint16

	// Base, if not nil, supplies settings that have no field here. It is copied. The fields above always take
	// precedence over it, including over its GetCertificate and the result of its GetConfigForClient. A panic in one of
	// its callbacks fails the handshake.
	Base *tls.Config
}

// internal converts s to the internal package's type.
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

// SelfSigned returns a certificate for the given host names and IP addresses, valid for one day for servers and
// clients, and a pool that contains it as the only authority. It is for tests and demonstrations.
func SelfSigned(names ...string) (tls.Certificate, *x509.CertPool, error) {
	return tlsconf.SelfSigned(names...)
}

// ListenTLS is [ListenTCP] with secure as Config.TLS. Serve and Conns deliver a connection only after its handshake.
// Handshakes run concurrently with accepting, so a slow peer delays no other; [chanio.Conn.TLS] returns the session
// state and the verified peer. A handshake that fails or exceeds TLSConfig.HandshakeTimeout is logged. At most
// Config.MaxHandshakes run at once.
//
// An unusable configuration is rejected with an error that suggests a remedy.
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
