package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"
)

// Client says whom a client believes and who it is. The zero value believes the authorities of the system.
type Client struct {
	// RootCAs, or the PEM file RootCAFile, are the authorities that are believed instead of the system's.
	RootCAs    *x509.CertPool
	RootCAFile string

	// The client's own certificate, for servers that ask for one: as it is, or from two PEM files.
	Certificates      []tls.Certificate
	CertFile, KeyFile string

	// ServerName is the host that the server is asked for (SNI) and that its certificate must be for; "" means the host
	// that is dialled. With HideServerName the server is not told, for SNI is sent in the clear; its certificate is
	// verified for that name all the same.
	ServerName     string
	HideServerName bool

	// ALPN are the application protocols that are offered, the preferred one first (RFC 7301).
	ALPN []string

	// HandshakeTimeout is how long the handshake may take; 0 means DefaultHandshakeTimeout, 10 s.
	HandshakeTimeout time.Duration

	// MinVersion is the lowest version of TLS spoken; 0 means tls.VersionTLS12.
	MinVersion uint16

	// InsecureSkipVerify believes anybody. It is for tests: whoever sits in between can then read and change everything.
	InsecureSkipVerify bool

	// Base, if not nil, is what the rest is taken from; it is copied, and the fields above go before.
	Base *tls.Config
}

// Config returns the configuration for crypto/tls for a connection to host, which may carry a port.
func (c *Client) Config(host string) (*tls.Config, error) {
	cfg := c.Base.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if c.MinVersion != 0 {
		cfg.MinVersion = c.MinVersion
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if len(c.ALPN) > 0 {
		cfg.NextProtos = c.ALPN
	}
	cfg.InsecureSkipVerify = cfg.InsecureSkipVerify || c.InsecureSkipVerify
	pool, err := poolOf(c.RootCAs, c.RootCAFile)
	if err != nil {
		return nil, inHost("", err)
	}
	if pool != nil {
		cfg.RootCAs = pool
	}
	if err := c.identify(cfg); err != nil {
		return nil, inHost("", err)
	}
	c.name(cfg, host)
	return cfg, nil
}

func (c *Client) identify(cfg *tls.Config) error {
	switch {
	case len(c.Certificates) > 0:
		cfg.Certificates = c.Certificates
	case c.CertFile != "" || c.KeyFile != "":
		cert, err := loadPair(c.CertFile, c.KeyFile)
		if err != nil {
			return err
		}
		cfg.Certificates = []tls.Certificate{*cert}
	}
	return nil
}

// name sets which host is asked for and which the certificate must be for.
func (c *Client) name(cfg *tls.Config, host string) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	switch {
	case c.ServerName != "":
		cfg.ServerName = c.ServerName
	case cfg.ServerName == "":
		cfg.ServerName = host
	}
	if c.HideServerName {
		verifyUnnamed(cfg, cfg.ServerName)
	}
}

// verifyUnnamed verifies the certificate for host without telling the server that host: crypto/tls does both with one
// name, so its own verification is replaced.
func verifyUnnamed(cfg *tls.Config, host string) {
	cfg.ServerName = ""
	if cfg.InsecureSkipVerify {
		return
	}
	cfg.InsecureSkipVerify = true // the callback below verifies
	next := cfg.VerifyConnection
	roots, now := cfg.RootCAs, cfg.Time
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: roots, DNSName: host, Intermediates: x509.NewCertPool()}
		if now != nil {
			options.CurrentTime = now()
		}
		for _, cert := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(cert)
		}
		if _, err := state.PeerCertificates[0].Verify(options); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		if next != nil {
			return next(state)
		}
		return nil
	}
}

// poolOf returns pool, or the authorities in file, or nil.
func poolOf(pool *x509.CertPool, file string) (*x509.CertPool, error) {
	if pool != nil || file == "" {
		return pool, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable("authorities", err)
	}
	pool = x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("authorities: there is no certificate in %s", file)
	}
	return pool, nil
}
