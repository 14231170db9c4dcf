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

// TLSConfig configures TLS for a client. With a nil *TLSConfig or the zero value, the client trusts the system's
// authorities, sends the dialed host as server name, verifies the certificate for it, and speaks TLS 1.2 or later with
// the cipher suites and curves of the standard library. Files are read for each handshake.
type TLSConfig struct {
	// RootCAs, or those in RootCAFile, in PEM or DER, are trusted instead of the system's authorities.
	RootCAs    *x509.CertPool
	RootCAFile string

	// The client's certificate, for servers that request one: as a value, or from two files, in PEM or DER.
	Certificates      []tls.Certificate
	CertFile, KeyFile string

	// ServerName is the name sent to the server (SNI) and verified in its certificate, in Unicode or "xn--..." form. ""
	// means the dialed host; the zone of an IP address is ignored. With HideServerName the name is verified but not
	// sent, because SNI is sent in the clear.
	ServerName     string
	HideServerName bool

	// ALPN lists the application protocols to offer, in order of preference (RFC 7301). A server that supports none of
	// them refuses the connection or selects none, which [chanio.Conn.TLS] reports.
	ALPN []string

	// HandshakeTimeout limits the duration of the handshake. 0 means 10 s; negative means no limit.
	HandshakeTimeout time.Duration

	// MinVersion is the lowest TLS version accepted. 0 and anything lower than TLS 1.2 mean tls.VersionTLS12.
	MinVersion uint16

	// InsecureSkipVerify accepts any certificate. It is for tests: an attacker on the network can then read and change
	// all traffic.
	InsecureSkipVerify bool

	// Base, if not nil, supplies settings that have no field here. It is copied. The fields above always take
	// precedence over it, including over its GetClientCertificate.
	Base *tls.Config
}

// DialTLS is [DialTCP] with secure as Config.TLS, also through a proxy. It returns after the handshake;
// [chanio.Conn.TLS] returns the session state. Either configuration may be nil. Both timeouts apply: Config.Timeout to
// the whole dial, TLSConfig.HandshakeTimeout to the handshake.
//
// The error wraps the error of crypto/x509 about the certificate, such as [x509.HostnameError], and its text suggests a
// remedy. In TLS 1.3 a server that rejects the client's certificate reports it only after the handshake: In then fails
// with that error.
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

// UpgradeTLS performs a TLS handshake over c, as STARTTLS does, and returns the secured connection. It owns c from then
// on. Data that has arrived at c.In and was not received is part of the handshake, so receive the server's last line
// first, through [codec.Recv] or a [codec.Frame] that nothing receives from any more; see [chanio.TLSServer]. host is the
// expected name of the peer. secure may be nil, and so may conn, which configures the new connection. If it returns
// an error, c has been ended.
//
// [codec.Recv]: https://pkg.go.dev/github.com/weir-go/weir/codec#Recv
// [codec.Frame]: https://pkg.go.dev/github.com/weir-go/weir/codec#Frame
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

// secured performs the handshake over the connection that dial returns. It rejects an unusable configuration before
// dialing.
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
		next := with.TLSState
		with.TLSState = func(state *tls.ConnectionState) {
			if complete(state); next != nil {
				next(state)
			}
		}
		conn = &with
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
	late := fmt.Errorf("no TLS handshake within %v; does the server speak TLS on this port? %w", d, os.ErrDeadlineExceeded)
	ctx, cancel := tlsconf.Within(ctx, d, late)
	defer cancel()
	defer func() {
		if up == nil && err == nil { // a callback of the configuration panicked, in the caller's goroutine
			c.Out.Abort(net.ErrClosed)
		}
	}()
	return chanio.TLSClient(ctx, c, config, conn)
}
