package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"

	"github.com/weir-go/weir/internal/socket"
	"github.com/weir-go/weir/internal/tlsconf"
)

// TLSConfig says who a server is and whom it believes: its certificate as a value, as PEM or as files that are read
// anew when they change, the authorities of clients for mutual TLS, ALPN, and the configurations of other host names
// (SNI). It has a certificate; everything else may be left out.
type TLSConfig = tlsconf.Server

// SelfSigned returns a certificate for the given names and IP addresses, valid for a day for servers and clients, and
// a pool in which it is the one authority. It is for tests and demonstrations.
func SelfSigned(names ...string) (tls.Certificate, *x509.CertPool, error) {
	return tlsconf.SelfSigned(names...)
}

// ListenTLS is [ListenTCP] with TLS. The connections that Serve and Conns give out have been through their handshakes,
// which are done beside the accepting, so that a peer that is slow with its own holds up nobody; the state of the
// session and the verified peer are had from [chanio.Conn.TLS]. A handshake that fails, or is not over within
// TLSConfig.HandshakeTimeout, is one line of the Logger. At most TCPConfig.MaxHandshakes are under way at once.
//
// A configuration that cannot work is refused with an error that says what to do.
func ListenTLS(addr string, secure *TLSConfig, cfg *TCPConfig) (*Listener, error) {
	if cfg == nil {
		cfg = &TCPConfig{}
	}
	if secure == nil {
		secure = &TLSConfig{}
	}
	config, err := secure.Config(cfg.Logger)
	if err != nil {
		return nil, socket.Explain("servers", err)
	}
	nl, err := cfg.socket().ListenConfig().Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, socket.Explain("servers", err)
	}
	l := newListener(nl, cfg)
	l.handshakes = newHandshakes(l, config, secure.HandshakeTimeout, cfg.MaxHandshakes)
	return l, nil
}
