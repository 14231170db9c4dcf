package tlsconf

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// DefaultHandshakeTimeout limits the duration of a handshake.
const DefaultHandshakeTimeout = 10 * time.Second

const century = 100 * 365 * 24 * time.Hour

// Within adds the timeout d of a handshake to ctx, with the given cause. If d is negative, it adds a deadline that is
// never reached: without one, package chanio would add its own.
func Within(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	if d < 0 {
		d = century
	}
	return context.WithTimeoutCause(ctx, d, cause)
}

// Server configures TLS for a server. The fields are documented in servers.TLSConfig.
type Server struct {
	Certificates      []tls.Certificate
	CertPEM, KeyPEM   []byte
	CertFile, KeyFile string
	ClientCAs         *x509.CertPool
	ClientCAFile      string
	ClientAuth        tls.ClientAuthType
	ALPN              []string
	DefaultALPN       []string // of configurations that name no protocols
	Hosts             map[string]*Server
	HandshakeTimeout  time.Duration
	MinVersion        uint16
	Base              *tls.Config
}

// Config returns the crypto/tls configuration. It rejects an unusable configuration with an error that suggests a
// remedy, so that it does not fail at the first handshake. log may be nil.
func (s *Server) Config(log *slog.Logger) (*tls.Config, error) {
	main, err := newSite("", s, nil, log)
	if err != nil {
		return nil, err
	}
	hosts, err := newHosts(s.Hosts, main, log)
	if err != nil {
		return nil, err
	}
	cfg := main.config.Clone()
	cfg.SessionTicketsDisabled = false // the sites decide; without keys here those with tickets would fail all handshakes
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if host := hosts.find(hello.ServerName); host != nil {
			return host.configFor(hello)
		}
		return main.configFor(hello)
	}
	return cfg, nil
}

// identity is a server's certificate, from one of three sources.
type identity struct {
	given []tls.Certificate
	dates []*dates                   // of given
	files *watched[*tls.Certificate] // or nil
}

func (s *Server) identity(log *slog.Logger) (id identity, err error) {
	places := 0
	if len(s.Certificates) > 0 {
		places++
		id.given = slices.Clone(s.Certificates)
	}
	if s.CertPEM != nil || s.KeyPEM != nil {
		places++
		cert, err := tls.X509KeyPair(s.CertPEM, s.KeyPEM)
		if err != nil {
			return id, fmt.Errorf("CertPEM and KeyPEM: %w", err)
		}
		id.given = []tls.Certificate{cert}
	}
	if s.CertFile != "" || s.KeyFile != "" {
		places++
		if id.files, err = watchPair(s.CertFile, s.KeyFile, log); err != nil {
			return id, err
		}
	}
	if places > 1 {
		return id, errors.New("the certificate is in several places: set one of Certificates, CertPEM with KeyPEM, and CertFile with KeyFile")
	}
	for i := range id.given {
		id.dates = append(id.dates, datesOf(log, &id.given[i]))
	}
	return id, nil
}

// check logs given certificates that have expired meanwhile. Files are checked when they are read.
func (id *identity) check() {
	for _, d := range id.dates {
		d.check()
	}
}

func watchPair(certFile, keyFile string, log *slog.Logger) (*watched[*tls.Certificate], error) {
	read := func() (*tls.Certificate, error) { return loadPair(certFile, keyFile) }
	if certFile == "" || keyFile == "" {
		_, err := read()
		return nil, err
	}
	var last *tls.Certificate
	var of *dates // of last
	judge := func(cert *tls.Certificate) {
		if cert == last {
			of.check()
			return
		}
		last, of = cert, datesOf(log, cert)
	}
	return watch("certificate", []string{certFile, keyFile}, read, judge, log)
}

// authorities are the authorities trusted to sign client certificates.
type authorities struct {
	given *x509.CertPool
	file  *watched[*x509.CertPool] // or nil
}

func (s *Server) authorities(log *slog.Logger) (a authorities, err error) {
	a.given = s.ClientCAs
	if s.ClientCAFile == "" {
		return a, nil
	}
	if s.ClientCAs != nil {
		return a, errors.New("the authorities are in two places: set ClientCAs or ClientCAFile")
	}
	a.file, err = watch("authorities of clients", []string{s.ClientCAFile}, func() (*x509.CertPool, error) {
		return loadPool(s.ClientCAFile)
	}, func(*x509.CertPool) {}, log)
	return a, err
}

// pool returns the current authorities, or nil.
func (a authorities) pool() *x509.CertPool {
	if a.file != nil {
		return a.file.get()
	}
	return a.given
}

func inHost(host string, err error) error {
	if host == "" {
		return fmt.Errorf("tls: %w", err)
	}
	return fmt.Errorf("tls: host %q: %w", host, err)
}
