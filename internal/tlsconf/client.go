package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/hostname"
)

// Client configures TLS for a client. The fields are documented in clients.TLSConfig.
type Client struct {
	RootCAs            *x509.CertPool
	RootCAFile         string
	Certificates       []tls.Certificate
	CertFile, KeyFile  string
	ServerName         string
	HideServerName     bool
	ALPN               []string
	HandshakeTimeout   time.Duration
	MinVersion         uint16
	InsecureSkipVerify bool
	Base               *tls.Config
}

// Config returns the crypto/tls configuration of one connection to host, which may include a port. complete, if not
// nil, adds what crypto/tls does not know to the state of that connection.
func (c *Client) Config(host string) (cfg *tls.Config, complete func(*tls.ConnectionState), err error) {
	cfg = c.Base.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if c.MinVersion != 0 {
		cfg.MinVersion = c.MinVersion
	}
	if cfg.MinVersion == 0 && cfg.EncryptedClientHelloConfigList != nil {
		cfg.MinVersion = tls.VersionTLS13 // what crypto/tls requires there
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if len(c.ALPN) > 0 {
		cfg.NextProtos = slices.Clone(c.ALPN)
	}
	cfg.InsecureSkipVerify = cfg.InsecureSkipVerify || c.InsecureSkipVerify
	for _, set := range []func(*tls.Config) error{c.trust, c.identify} {
		if err := set(cfg); err != nil {
			return nil, nil, inHost("", err)
		}
	}
	if err := c.name(cfg, host); err != nil {
		return nil, nil, inHost("", err)
	}
	if !c.HideServerName {
		return cfg, nil, nil
	}
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		return nil, nil, inHost("", errors.New("no name to verify the certificate for: set ServerName"))
	}
	return cfg, hide(cfg), nil
}

func (c *Client) trust(cfg *tls.Config) (err error) {
	switch {
	case c.RootCAs != nil && c.RootCAFile != "":
		return errors.New("the authorities are in two places: set RootCAs or RootCAFile")
	case c.RootCAs != nil:
		cfg.RootCAs = c.RootCAs
	case c.RootCAFile != "":
		cfg.RootCAs, err = loadPool(c.RootCAFile)
	}
	return err
}

func (c *Client) identify(cfg *tls.Config) error {
	files := c.CertFile != "" || c.KeyFile != ""
	switch {
	case len(c.Certificates) > 0 && files:
		return errors.New("the certificate is in two places: set Certificates, or CertFile with KeyFile")
	case len(c.Certificates) > 0:
		cfg.Certificates, cfg.GetClientCertificate = c.Certificates, nil
	case files:
		cert, err := loadPair(c.CertFile, c.KeyFile)
		if err != nil {
			return err
		}
		cfg.Certificates, cfg.GetClientCertificate = []tls.Certificate{*cert}, nil
	}
	return nil
}

// name sets the server name to send and to verify.
func (c *Client) name(cfg *tls.Config, host string) (err error) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	switch {
	case c.ServerName != "":
		host = c.ServerName
	case cfg.ServerName != "":
		host = cfg.ServerName
	}
	cfg.ServerName, err = certifiedName(host)
	return err
}

// certifiedName returns host in the form used in certificates: an ASCII name, or an IP address without its zone, which
// is local to this machine.
func certifiedName(host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.WithZone("").String(), nil
	}
	if host == "" {
		return "", nil // permitted by InsecureSkipVerify
	}
	return hostname.ASCII(host)
}

// hide removes the server name from cfg, so that it is not sent, but still verifies the certificate for it. crypto/tls
// uses one name for both, so hide replaces its verification. complete sets the fields of the state that crypto/tls
// would have set.
func hide(cfg *tls.Config) (complete func(*tls.ConnectionState)) {
	host := cfg.ServerName
	cfg.ServerName = ""
	if cfg.InsecureSkipVerify {
		return nil
	}
	cfg.InsecureSkipVerify = true // the callback below verifies
	next, each, roots, now := cfg.VerifyConnection, cfg.VerifyPeerCertificate, cfg.RootCAs, cfg.Time
	cfg.VerifyPeerCertificate = nil // called with the chains below
	var verified atomic.Pointer[[][]*x509.Certificate]
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: roots, DNSName: host, Intermediates: x509.NewCertPool()}
		if now != nil {
			options.CurrentTime = now()
		}
		for _, cert := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(cert)
		}
		chains, err := state.PeerCertificates[0].Verify(options)
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		verified.Store(&chains)
		if each != nil && !state.DidResume {
			if err := each(raw(state.PeerCertificates), chains); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		state.VerifiedChains = chains
		return next(state)
	}
	return func(state *tls.ConnectionState) {
		if chains := verified.Load(); chains != nil {
			state.VerifiedChains = *chains
		}
	}
}

func raw(certs []*x509.Certificate) [][]byte {
	ders := make([][]byte, len(certs))
	for i, cert := range certs {
		ders[i] = cert.Raw
	}
	return ders
}
