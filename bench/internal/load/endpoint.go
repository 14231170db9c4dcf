package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
)

const networkUDP = "udp"

// endpoint is the parsed form of a URL.
type endpoint struct {
	network string // tcp, unix or udp
	address string
	secure  *tls.Config // nil without TLS
	socket  string      // of a WebSocket: the request target
	http2   bool
}

func parseEndpoint(s Spec) (endpoint, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return endpoint{}, err
	}
	ep := endpoint{network: u.Scheme, address: u.Host}
	switch u.Scheme {
	case "tcp", networkUDP:
	case "tls":
		ep.network = "tcp"
		ep.secure, err = s.secure(u.Hostname())
	case "http", "h2c":
		ep.network, ep.http2 = "tcp", u.Scheme == "h2c"
	case "ws":
		ep.network = "tcp"
	case "https", "wss":
		ep.network = "tcp"
		if ep.secure, err = s.secure(u.Hostname()); err == nil {
			ep.secure.NextProtos = []string{"http/1.1"}
		}
	case "unix":
		ep.address = u.Host + u.Path // unix:///absolute and unix://relative
	default:
		return ep, fmt.Errorf("scheme %q is not one of tcp, tls, unix, udp, http, https, h2c, ws, wss", u.Scheme)
	}
	if isHTTP := u.Scheme == "http" || u.Scheme == "https" || ep.http2; isHTTP != (s.Codec == codecHTTP) {
		return ep, errors.New("codec http goes with http://, https:// and h2c://")
	}
	if u.Scheme == "ws" || u.Scheme == "wss" {
		ep.socket = u.RequestURI()
	}
	if (ep.socket != "") != (s.Codec == codecWebSocket) {
		return ep, errors.New("codec ws goes with ws:// and wss://")
	}
	if ep.address == "" {
		return ep, fmt.Errorf("%q has no address", s.URL)
	}
	return ep, err
}

func (s Spec) secure(host string) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: host, InsecureSkipVerify: s.Insecure} //nolint:gosec // the flag asks for it
	if s.ServerName != "" {
		cfg.ServerName = s.ServerName
	}
	if s.CA != nil {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(s.CA) {
			return nil, errors.New("the CA has no certificate in PEM")
		}
	}
	return cfg, nil
}

// dial connects and completes the handshake.
func (e endpoint) dial(ctx context.Context, spec Spec) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, spec.timeout(), errDialTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, e.network, e.address)
	if err != nil {
		return nil, err
	}
	if e.http2 {
		return overHTTP2(conn, spec)
	}
	if e.secure != nil {
		if conn, err = e.secured(ctx, conn); err != nil {
			return nil, err
		}
	}
	if e.socket != "" {
		if err := e.upgrade(ctx, conn, spec.Deflate); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("handshake: %w", err)
		}
	}
	return conn, nil
}

func (e endpoint) secured(ctx context.Context, conn net.Conn) (net.Conn, error) {
	secured := tls.Client(conn, e.secure)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return secured, nil
}

func overHTTP2(conn net.Conn, spec Spec) (net.Conn, error) {
	c, err := newHTTP2(conn, spec)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

var errDialTimeout = errors.New("no connection within the timeout")
