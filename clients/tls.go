package clients

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/tlsconf"
)

// TLSConfig says whom a client trusts and who it is. The zero value, and nil, trust the authorities of the system,
// tell the server the host that is dialled, and verify its certificate for that: TLS 1.2 or later with the suites and
// curves of the standard library. The files are read with each handshake.
type TLSConfig struct {
	// RootCAs, or the PEM file RootCAFile, are the authorities that are trusted instead of the system's.
	RootCAs    *x509.CertPool
	RootCAFile string

	// The client's own certificate, for servers that ask for one: as it is, or from two PEM files.
	Certificates      []tls.Certificate
	CertFile, KeyFile string

	// ServerName is the host that the server is asked for (SNI) and that its certificate must be for, in Unicode or as
	// "xn--..."; "" means the host that is dialled, of an IP address without the zone. With HideServerName the server is
	// not told, for SNI is sent in the clear; its certificate is verified for that name all the same.
	ServerName     string
	HideServerName bool

	// ALPN are the application protocols that are offered, the preferred one first (RFC 7301). A server that knows none of
	// them refuses, or chooses none, which [chanio.Conn.TLS] tells.
	ALPN []string

	// HandshakeTimeout is how long the handshake may take. 0 means 10 s, negative no limit.
	HandshakeTimeout time.Duration

	// MinVersion is the lowest version of TLS that is spoken. 0 means tls.VersionTLS12, and so does anything lower.
	MinVersion uint16

	// InsecureSkipVerify trusts anybody. It is for tests: an attacker in between can then read and change everything.
	InsecureSkipVerify bool

	// Base, if not nil, has what has no field here. It is copied, and what a field above says goes before it in every
	// case, also before a GetClientCertificate.
	Base *tls.Config
}

// DialTLS is [DialTCP] with secure as Config.TLS: TLS over the connection, also when that goes through a proxy. It
// returns when the handshake is done; [chanio.Conn.TLS] tells the outcome. Either configuration may be nil. The timeouts
// of both hold: that of Config for all of it, that of TLSConfig for the handshake.
//
// The error wraps what crypto/x509 has to say about the certificate, such as [x509.HostnameError], and says what to do
// about it. A server that does not accept the client's certificate says so in TLS 1.3 only after the handshake: In then
// fails with it.
func DialTLS(ctx context.Context, addr string, secure *TLSConfig, cfg *Config) (*chanio.Conn, error) {
	c := Config{}
	if cfg != nil {
		c = *cfg
	}
	if c.TLS = secure; secure == nil {
		c.TLS = &TLSConfig{}
	}
	return DialTCP(ctx, addr, &c)
}

// UpgradeTLS turns c, which it owns from then on, into a connection secured by TLS, as STARTTLS does. No stage may own
// c.In; what has arrived there and was not received goes into the handshake. host is who the peer is to be. secure and
// conn, which says how the new connection behaves, may be nil. If the handshake fails, c is aborted.
func UpgradeTLS(
	ctx context.Context, c *chanio.Conn, host string, secure *TLSConfig, conn *chanio.ConnConfig,
) (*chanio.Conn, error) {
	up, err := secured(ctx, host, secure, conn, func() (*chanio.Conn, error) { return c, nil })
	if err != nil {
		c.Out.Abort(err)
		return nil, explain(err)
	}
	return up, nil
}

// secured runs the handshake over what dial returns. A configuration that cannot work is noticed before that.
func secured(
	ctx context.Context, host string, secure *TLSConfig, conn *chanio.ConnConfig, dial func() (*chanio.Conn, error),
) (*chanio.Conn, error) {
	if secure == nil {
		secure = &TLSConfig{}
	}
	config, complete, err := (*tlsconf.Client)(secure).Config(host)
	if err != nil {
		return nil, err
	}
	if complete != nil {
		with := chanio.ConnConfig{}
		if conn != nil {
			with = *conn
		}
		with.TLSState, conn = complete, &with
	}
	c, err := dial()
	if err != nil {
		return nil, err
	}
	return handshake(ctx, c, config, cmp.Or(secure.HandshakeTimeout, tlsconf.DefaultHandshakeTimeout), conn)
}

func handshake(
	ctx context.Context, c *chanio.Conn, config *tls.Config, d time.Duration, conn *chanio.ConnConfig,
) (up *chanio.Conn, err error) {
	if d > 0 {
		late := fmt.Errorf("no TLS handshake within %v; does the server speak TLS on this port? %w", d, os.ErrDeadlineExceeded)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, late)
		defer cancel()
	}
	defer func() {
		if up == nil && err == nil { // a callback of the configuration panics, in the caller's own goroutine
			c.Out.Abort(net.ErrClosed)
		}
	}()
	return chanio.TLSClient(ctx, c, config, conn)
}
