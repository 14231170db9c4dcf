package httpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

const defaultConnectTimeout = 30 * time.Second

// withinConnect bounds ctx by the connect timeout.
func (t *Transport) withinConnect(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := t.cfg.Connect.Timeout
	if limit == 0 {
		limit = defaultConnectTimeout
	}
	if limit < 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, limit, &TimeoutError{Phase: PhaseConnect, After: limit})
}

// dial opens a connection for x.
func (t *Transport) dial(ctx context.Context, x *exchange) (*conn, *mux, error) {
	nc, err := t.connect(ctx, x)
	if err != nil {
		return nil, nil, timedOut(PhaseConnect, err)
	}
	proto := ""
	if x.to.scheme == "https" {
		if nc, err = t.secureOrAbort(ctx, x, nc); err != nil {
			return nil, nil, timedOut(PhaseHandshake, err)
		}
		proto = nc.TLS().NegotiatedProtocol
	}
	switch {
	case x.to.mayMux && (proto == "h2" || x.to.prior && x.to.scheme == "http"):
		secure := nc.TLS()
		return nil, newMux(t, t.tapped(nc, true), secure), nil
	case x.to.prior, proto != "" && proto != "http/1.1":
		err := errALPN(proto)
		nc.Abort(err)
		return nil, nil, err
	}
	secure := nc.TLS()
	return newConn(t, t.tapped(nc, false), secure, x), nil, nil
}

// tapped returns nc, wrapped for the wire log if there is one.
func (t *Transport) tapped(nc *chanio.Conn, http2 bool) *chanio.Conn {
	if t.wire == nil {
		return nc
	}
	return t.wire.tap(nc, http2, &t.cfg.Connect.Conn)
}

// timedOut converts a timeout of a phase to a TimeoutError, and returns other errors unchanged.
func timedOut(phase Phase, err error) error {
	var known *TimeoutError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &TimeoutError{Phase: phase, Err: err}
	}
	return err
}

// connect connects to the host of x, directly or through a proxy, or to the proxy that forwards plain requests.
func (t *Transport) connect(ctx context.Context, x *exchange) (*chanio.Conn, error) {
	cfg := t.connectConfig(ctx, x)
	if x.to.unix != "" {
		return clients.DialUnix(ctx, x.to.unix, cfg)
	}
	direct := t.cfg.Dial
	if direct == nil {
		direct = func(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
			c := *cfg
			if conn != nil {
				c.Conn = *conn
			}
			return clients.DialTCP(ctx, addr, &c)
		}
	}
	if x.proxy == nil {
		return direct(ctx, x.to.addr, &cfg.Conn)
	}
	if x.forward {
		return t.connectToProxy(ctx, x, cfg, direct)
	}
	via, err := t.proxyOf(x, cfg)
	if err != nil {
		return nil, err
	}
	return via.DialThrough(ctx, x.to.addr, &cfg.Conn, direct)
}

// connectConfig returns the configuration of the connection below TLS.
func (t *Transport) connectConfig(ctx context.Context, x *exchange) *clients.Config {
	c := t.cfg.Connect
	c.TLS, c.Proxy, c.Timeout = nil, nil, -1 // ctx carries the timeout
	if r := x.to.route; r != nil {
		if r.Resolver != nil {
			c.Resolver = r.Resolver
		}
		if r.LocalAddr != "" {
			c.LocalAddr = r.LocalAddr
		}
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && c.Resolver != nil {
		c.Resolver = tracedResolver{c.Resolver, trace}
	}
	return &c
}

// tracedResolver calls the DNS hooks of a trace, as the net package does for the system resolver.
type tracedResolver struct {
	clients.Resolver
	trace *httptrace.ClientTrace
}

func (r tracedResolver) LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error) {
	if r.trace.DNSStart != nil {
		r.trace.DNSStart(httptrace.DNSStartInfo{Host: host})
	}
	addrs, err := r.Resolver.LookupAddrs(ctx, host)
	if r.trace.DNSDone != nil {
		info := httptrace.DNSDoneInfo{Err: err}
		for _, a := range addrs {
			info.Addrs = append(info.Addrs, net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()})
		}
		r.trace.DNSDone(info)
	}
	return addrs, err
}

// secureOrAbort calls secure, and aborts nc if user code panics in it.
func (t *Transport) secureOrAbort(ctx context.Context, x *exchange, nc *chanio.Conn) (*chanio.Conn, error) {
	returned := false
	defer func() {
		if !returned {
			nc.Abort(nil)
		}
	}()
	up, err := t.secure(ctx, x, nc)
	returned = true
	return up, err
}

// secure runs the TLS handshake with the host.
func (t *Transport) secure(ctx context.Context, x *exchange, nc *chanio.Conn) (*chanio.Conn, error) {
	conf := clients.TLSConfig{}
	switch r := x.to.route; {
	case r != nil && r.TLS != nil:
		conf = *r.TLS
	case t.cfg.Connect.TLS != nil:
		conf = *t.cfg.Connect.TLS
	}
	if conf.ALPN == nil {
		switch {
		case x.to.prior:
			conf.ALPN = []string{"h2"}
		case x.to.mayMux:
			conf.ALPN = []string{"h2", "http/1.1"}
		default:
			conf.ALPN = []string{"http/1.1"}
		}
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	up, err := clients.UpgradeTLS(ctx, nc, x.to.addr, &conf, &t.cfg.Connect.Conn)
	if trace != nil && trace.TLSHandshakeDone != nil {
		state := tls.ConnectionState{}
		if err == nil {
			state = *up.TLS()
		}
		trace.TLSHandshakeDone(state, err)
	}
	return up, err
}

// connectToProxy connects to a proxy that forwards plain requests.
func (t *Transport) connectToProxy(
	ctx context.Context, x *exchange, cfg *clients.Config, direct clients.DialFunc,
) (*chanio.Conn, error) {
	addr := hostPort(x.proxy)
	nc, err := direct(ctx, addr, &cfg.Conn)
	if err != nil || x.proxy.Scheme != "https" {
		return nc, err
	}
	if nc, err = clients.UpgradeTLS(ctx, nc, addr, t.cfg.ProxyTLS, &cfg.Conn); err != nil {
		return nil, timedOut(PhaseHandshake, err)
	}
	return nc, nil
}

// proxyOf returns the dialer of tunnels through the proxy of x.
func (t *Transport) proxyOf(x *exchange, cfg *clients.Config) (clients.Proxy, error) {
	u := x.proxy
	user := u.User.Username()
	password, _ := u.User.Password()
	switch u.Scheme {
	case "http", "https":
		p := &clients.HTTPProxy{Addr: hostPort(u), Header: maps.Clone(t.cfg.ProxyHeader)}
		if !has(t.cfg.ProxyHeader, "Proxy-Authorization") {
			p.User, p.Password = user, password
		}
		if u.Scheme == "https" {
			p.TLS = &clients.TLSConfig{}
			if t.cfg.ProxyTLS != nil {
				p.TLS = t.cfg.ProxyTLS
			}
		}
		return p, nil
	case "socks5", "socks5h":
		return &clients.SOCKS5{Addr: hostPort(u), User: user, Password: password}, nil
	case "socks4", "socks4a":
		return &clients.SOCKS4{
			Addr: hostPort(u), User: user, Names: u.Scheme == "socks4a", Resolver: cfg.Resolver,
		}, nil
	}
	return nil, invalid("the proxy %s has a scheme that is not known: it may be http, https, socks5, socks5h, socks4 or socks4a",
		redactedURL(u))
}

// hostPort returns the address of a proxy.
func hostPort(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	case u.Scheme == "https":
		port = "443"
	default:
		port = "1080"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// proxyAuthorization returns the proxy credentials of a plain request, or "".
func proxyAuthorization(u *url.URL) string {
	if u == nil || u.User == nil {
		return ""
	}
	password, _ := u.User.Password()
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(u.User.Username(), password)
	return r.Header.Get("Authorization")
}

// errALPN is the error for a server that chose a protocol that was not offered, or none where HTTP/2 is required.
func errALPN(proto string) error {
	if proto == "" {
		return errors.New("httpc: the server does not speak HTTP/2")
	}
	return fmt.Errorf("httpc: the server chose the protocol %q", strings.ToValidUTF8(proto, "?"))
}
