package clients

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/tlsconf"
)

// TLSConfig says whom a client believes and who it is: the authorities, its own certificate for servers that ask for
// one, ALPN, and whether the server is told the name of the host that is dialled, another, or none (SNI). The zero
// value, and nil, believe the authorities of the system and tell the host.
type TLSConfig = tlsconf.Client

// DialTLS is [DialTCP] with TLS over the connection, also when that goes through a proxy. It returns when the handshake
// is done; [chanio.Conn.TLS] tells the outcome. Either configuration may be nil. The timeouts of both hold: that of
// DialConfig for all of it, that of TLSConfig for the handshake.
//
// The error wraps what crypto/x509 has to say about the certificate, such as [x509.HostnameError], and says what to do
// about it. A server that does not accept the client's certificate says so in TLS 1.3 only after the handshake: In then
// fails with it. DialTLS is the client of aleph.tcp with ssl?; ServerName and HideServerName are the sni that was
// proposed for it.
func DialTLS(ctx context.Context, addr string, secure *TLSConfig, cfg *DialConfig) (*chanio.Conn, error) {
	if cfg == nil {
		cfg = &DialConfig{}
	}
	ctx, cancel := within(ctx, cfg.timeout())
	defer cancel()
	c, err := secured(ctx, addr, secure, &cfg.Conn, func() (*chanio.Conn, error) {
		return cfg.dial(ctx, addr, layerBelow(&cfg.Conn))
	})
	if err != nil {
		return nil, explain(err)
	}
	return c, nil
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
	config, err := secure.Config(host)
	if err != nil {
		return nil, err
	}
	c, err := dial()
	if err != nil {
		return nil, err
	}
	return handshake(ctx, c, config, orElse(secure.HandshakeTimeout, tlsconf.DefaultHandshakeTimeout), conn)
}

func handshake(
	ctx context.Context, c *chanio.Conn, config *tls.Config, d time.Duration, conn *chanio.ConnConfig,
) (*chanio.Conn, error) {
	late := fmt.Errorf("no TLS handshake within %v; does the server speak TLS on this port? %w", d, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, d, late)
	defer cancel()
	return chanio.TLSClient(ctx, c, config, conn)
}
