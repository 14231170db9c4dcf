package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// DefaultHandshakeTimeout is how long a handshake may take.
const DefaultHandshakeTimeout = 10 * time.Second

// Server says who a server is and whom it believes. The zero value has no certificate and is refused.
type Server struct {
	// The certificate comes from one of three places: Certificates as they are, CertPEM and KeyPEM, or CertFile and
	// KeyFile. The Logger is told if it has expired. The files are looked at again when a handshake comes, at most once
	// a second, and read anew if they have changed; if the new ones cannot be read the old certificate stays, and the
	// Logger is told. A certificate file holds the whole chain, the server's own first.
	Certificates      []tls.Certificate
	CertPEM, KeyPEM   []byte
	CertFile, KeyFile string

	// ClientCAs, or the PEM file ClientCAFile, are the authorities whose clients are believed: mutual TLS. ClientAuth
	// says what is asked of clients; its zero value means tls.RequireAndVerifyClientCert if there are authorities, and
	// nothing otherwise.
	ClientCAs    *x509.CertPool
	ClientCAFile string
	ClientAuth   tls.ClientAuthType

	// ALPN are the application protocols the server speaks, the preferred one first (RFC 7301). A client that offers
	// others only is refused.
	ALPN []string

	// Hosts are the configurations of other names that clients may ask for (SNI, RFC 6066): an exact name, or
	// "*.example.com" for one label in the place of the asterisk; an exact name wins. Names are compared without
	// regard to case. The configuration around Hosts is that of clients that name another host or none. Each has its
	// own certificate and clients; their Hosts and HandshakeTimeout are not used.
	Hosts map[string]*Server

	// HandshakeTimeout is how long a handshake may take; 0 means DefaultHandshakeTimeout, 10 s.
	HandshakeTimeout time.Duration

	// MinVersion is the lowest version of TLS spoken; 0 means tls.VersionTLS12.
	MinVersion uint16

	// Base, if not nil, is what the rest is taken from; it is copied, and the fields above go before.
	Base *tls.Config
}

// Config returns the configuration for crypto/tls. What cannot work fails here, with an error that says what to do,
// rather than at the first handshake.
func (s *Server) Config(log *slog.Logger) (*tls.Config, error) {
	cfg, err := s.config("", log)
	if err != nil || len(s.Hosts) == 0 {
		return cfg, err
	}
	hosts, err := newHosts(s.Hosts, log)
	if err != nil {
		return nil, err
	}
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return hosts.find(hello.ServerName), nil // nil means cfg itself
	}
	return cfg, nil
}

// config is Config without Hosts.
func (s *Server) config(host string, log *slog.Logger) (*tls.Config, error) {
	cfg := s.Base.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if s.MinVersion != 0 {
		cfg.MinVersion = s.MinVersion
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if len(s.ALPN) > 0 {
		cfg.NextProtos = s.ALPN
	}
	if err := s.identify(cfg, log); err != nil {
		return nil, inHost(host, err)
	}
	if err := s.trust(cfg); err != nil {
		return nil, inHost(host, err)
	}
	return cfg, nil
}

// identify sets the server's own certificate.
func (s *Server) identify(cfg *tls.Config, log *slog.Logger) error {
	switch {
	case len(s.Certificates) > 0:
		cfg.Certificates = s.Certificates
		for i := range s.Certificates {
			warnOfDates(log, &s.Certificates[i])
		}
	case s.CertPEM != nil || s.KeyPEM != nil:
		cert, err := tls.X509KeyPair(s.CertPEM, s.KeyPEM)
		if err != nil {
			return fmt.Errorf("CertPEM and KeyPEM: %w", err)
		}
		warnOfDates(log, &cert)
		cfg.Certificates = []tls.Certificate{cert}
	case s.CertFile != "" || s.KeyFile != "":
		files, err := newReloader(s.CertFile, s.KeyFile, log)
		if err != nil {
			return err
		}
		cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return files.certificate(), nil }
	case len(cfg.Certificates) == 0 && cfg.GetCertificate == nil:
		return errors.New("no certificate: set CertFile and KeyFile, CertPEM and KeyPEM, or Certificates")
	}
	return nil
}

// trust sets whom the server believes.
func (s *Server) trust(cfg *tls.Config) error {
	pool, err := poolOf(s.ClientCAs, s.ClientCAFile)
	if err != nil {
		return err
	}
	if pool != nil {
		cfg.ClientCAs = pool
	}
	if s.ClientAuth != tls.NoClientCert {
		cfg.ClientAuth = s.ClientAuth
	} else if pool != nil {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if cfg.ClientAuth >= tls.VerifyClientCertIfGiven && cfg.ClientCAs == nil {
		return errors.New("ClientAuth verifies clients and there is nobody to believe: set ClientCAs or ClientCAFile")
	}
	// A session is resumed without asking for the certificate again. Hosts share the keys of tickets, so a client of
	// one would be taken for a client of another.
	if cfg.ClientAuth != tls.NoClientCert {
		cfg.SessionTicketsDisabled = true
	}
	return nil
}

func inHost(host string, err error) error {
	if host == "" {
		return fmt.Errorf("tls: %w", err)
	}
	return fmt.Errorf("tls: host %q: %w", host, err)
}
