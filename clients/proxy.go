package clients

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/net/http/httpproxy"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/eof"
	"github.com/weir-go/weir/internal/hostname"
)

// DialFunc connects to addr, in the form host:port. conn configures the connection and may be nil. ctx bounds only the
// dial.
type DialFunc func(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error)

// Proxy connects to hosts through another host: [HTTPProxy], [SOCKS4], [SOCKS5], a [ProxyChain], the results of
// [EnvironmentProxy] and [ParseProxy], or your own implementation. It must be safe for concurrent use.
type Proxy interface {
	// DialThrough connects to addr, in the form host:port, through the proxy, and returns the connection, configured by
	// conn. It uses direct to connect to the proxy itself. Host names are left to the proxy to resolve. If ctx ends
	// first, DialThrough returns its cause. When it fails, no connection or goroutine remains.
	DialThrough(ctx context.Context, addr string, conn *chanio.ConnConfig, direct DialFunc) (*chanio.Conn, error)
}

// ProxyChain connects through several proxies: directly to the first, and to each of the others through the one before
// it.
type ProxyChain []Proxy

// DialThrough is [Proxy.DialThrough]. An empty chain connects directly.
func (c ProxyChain) DialThrough(
	ctx context.Context, addr string, conn *chanio.ConnConfig, direct DialFunc,
) (*chanio.Conn, error) {
	if len(c) == 0 {
		return direct(ctx, addr, conn)
	}
	last := len(c) - 1
	before := func(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
		return c[:last].DialThrough(ctx, addr, conn, direct)
	}
	return c[last].DialThrough(ctx, addr, conn, before)
}

// ProxyError is the error of a proxy that refused to connect to a host.
type ProxyError struct {
	Proxy  string              // address of the proxy
	Addr   string              // address of the host
	Code   int                 // of the HTTP response or SOCKS reply; 0 if there was none
	Reason string              // from the proxy, or as defined by the protocol
	Header map[string][]string // of the HTTP response
	Hint   string              // a suggested remedy, or ""

	err error
}

// Error returns the proxy's message, with a suggested remedy.
func (e *ProxyError) Error() string {
	text := fmt.Sprintf("proxy %s does not connect to %s: %s", e.Proxy, e.Addr, e.Reason)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap returns the error that the refusal corresponds to, such as ECONNREFUSED, or nil.
func (e *ProxyError) Unwrap() error { return e.err }

// ParseProxy returns the proxy for a URL such as "http://user:password@proxy.example:3128". The schemes are http, https
// (TLS to the proxy), socks5 and socks5h (equivalent: the proxy resolves names), socks4, and socks4a (the proxy
// resolves names). The default ports are 80, 443 and 1080; the default scheme is http.
func ParseProxy(rawURL string) (Proxy, error) {
	u, err := url.Parse(rawURL)
	if !strings.Contains(rawURL, "://") {
		u, err = url.Parse("http://" + rawURL)
	}
	if err != nil {
		return nil, fmt.Errorf("clients: the proxy %q is not a URL: write it like http://proxy.example:3128", redact(rawURL))
	}
	return proxyOf(u)
}

// redact removes parts that may be a password.
func redact(rawURL string) string {
	if i := strings.LastIndexByte(rawURL, '@'); i >= 0 {
		return "..." + rawURL[i:]
	}
	return rawURL
}

func proxyOf(u *url.URL) (Proxy, error) {
	password, _ := u.User.Password()
	host := u.Hostname()
	if host == "" {
		return nil, fmt.Errorf("clients: the proxy %q has no host", u.Redacted())
	}
	addr := func(port string) string {
		if p := u.Port(); p != "" {
			port = p
		}
		return net.JoinHostPort(host, port)
	}
	switch strings.ToLower(u.Scheme) {
	case "http":
		return &HTTPProxy{Addr: addr("80"), User: u.User.Username(), Password: password}, nil
	case "https":
		return &HTTPProxy{Addr: addr("443"), User: u.User.Username(), Password: password, TLS: &TLSConfig{}}, nil
	case "socks5", "socks5h":
		return &SOCKS5{Addr: addr("1080"), User: u.User.Username(), Password: password}, nil
	case "socks4", "socks4a":
		return &SOCKS4{Addr: addr("1080"), User: u.User.Username(), Names: strings.EqualFold(u.Scheme, "socks4a")}, nil
	}
	return nil, fmt.Errorf("clients: the proxy %q has a scheme that is not known: "+
		"it may be http, https, socks5, socks5h, socks4 or socks4a", u.Redacted())
}

// EnvironmentProxy returns the proxy selected by the current environment: HTTPS_PROXY or, if that is not set,
// ALL_PROXY, for every host except localhost, loopback addresses and those in NO_PROXY, in upper or lower case. The
// values are in the form of [ParseProxy]. HTTP_PROXY is not used: it is for plain HTTP requests, and connections need a
// tunnel.
//
// NO_PROXY is a list separated by commas, or * for all hosts. a.test means that name and those below it, .a.test or
// *.a.test only those below it; an address or a prefix such as 10.0.0.0/8 means itself. A name or an address may have a
// port, and is otherwise meant with any.
func EnvironmentProxy() (Proxy, error) {
	cfg := httpproxy.Config{
		HTTPSProxy: getenv("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
		NoProxy:    hostname.NoProxy(getenv("NO_PROXY", "no_proxy")),
	}
	if cfg.HTTPSProxy == "" {
		return ProxyChain{}, nil
	}
	p, err := ParseProxy(cfg.HTTPSProxy)
	if err != nil {
		return nil, fmt.Errorf("%w (it is in the environment: HTTPS_PROXY or ALL_PROXY)", err)
	}
	return &selective{p, cfg.ProxyFunc()}, nil
}

func getenv(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// selective uses its proxy for the hosts that the rules select.
type selective struct {
	Proxy
	rules func(*url.URL) (*url.URL, error)
}

func (p *selective) DialThrough(
	ctx context.Context, addr string, conn *chanio.ConnConfig, direct DialFunc,
) (*chanio.Conn, error) {
	target := addr
	if host, port, err := net.SplitHostPort(addr); err == nil {
		host = cmp.Or(host, "localhost") // as in package net
		target = net.JoinHostPort(strings.ToLower(strings.TrimSuffix(host, ".")), port)
	}
	via, err := p.rules(&url.URL{Scheme: "https", Host: target})
	if err == nil && via == nil {
		return direct(ctx, addr, conn)
	}
	return p.Proxy.DialThrough(ctx, addr, conn, direct)
}

// layerBelow returns the configuration of a connection that carries one with the configuration conn.
func layerBelow(conn *chanio.ConnConfig) *chanio.ConnConfig {
	var below chanio.ConnConfig
	if conn != nil {
		below = *conn
	}
	below.OnRelease = nil // called only for the connection that is returned
	below.IdleTimeout = 0
	return &below
}

// splitTarget returns the ASCII host and the port of an address for a proxy to connect to. Names contain no line breaks
// or control characters.
func splitTarget(ctx context.Context, addr string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		named, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
		if err != nil {
			return "", 0, err
		}
		n = uint64(named)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.WithZone("").String(), uint16(n), nil // a zone is local to this machine
	}
	if host, err = hostname.ASCII(host); err != nil {
		return "", 0, &net.AddrError{Err: err.Error(), Addr: addr}
	}
	return host, uint16(n), nil
}

// received reads the proxy's answers from a connection without reading further.
type received struct {
	conn   *chanio.Conn
	up     chanio.Upstream[[]byte]
	bytes  chanio.ByteSource
	unsent error // why sending failed
	cut    bool  // the stream ended before the end of the answer
}

func receive(c *chanio.Conn) *received {
	up := c.In.Claim("the proxy's answer")
	return &received{conn: c, up: up, bytes: up.Bytes()}
}

// send sends msg to the proxy. If a proxy answers and closes before it has read msg, sending fails but its answer is
// the better error, so only verdict returns the send error.
func (r *received) send(ctx context.Context, msg []byte) error {
	err := r.conn.Out.Send(ctx, msg)
	if err != nil && ctx.Err() == nil {
		r.unsent, err = err, nil
	}
	return err
}

// verdict returns why the protocol failed. err is the error of its last step.
func (r *received) verdict(err error) error {
	if r.unsent != nil && (err == nil || r.cut) {
		return r.unsent
	}
	return err
}

// need returns the next n bytes, which are valid until the next call.
func (r *received) need(ctx context.Context, n int) ([]byte, error) {
	for len(r.bytes.Buffered()) < n {
		if err := r.more(ctx, n); err != nil {
			return nil, err
		}
	}
	b := r.bytes.Buffered()[:n]
	r.bytes.Discard(n)
	return b, nil
}

// more waits for at least one more byte. Up to n are useful.
func (r *received) more(ctx context.Context, n int) error {
	err := r.bytes.Fill(ctx, n)
	if err == nil {
		return nil
	}
	r.cut = true
	return eof.Unexpected(r.up.Fail(ctx, err))
}

// release releases the stream.
func (r *received) release() { r.up.Release() }

// through runs the proxy's protocol on c, which it aborts if that fails.
func through(ctx context.Context, proxy string, c *chanio.Conn, protocol func(*received) error) error {
	r := receive(c)
	err := r.verdict(protocol(r))
	r.release()
	if err == nil {
		return nil
	}
	c.Out.Abort(err)
	if ctx.Err() != nil {
		err = chanio.Cause(ctx)
	}
	return &net.OpError{Op: "dial", Net: "tcp", Source: c.LocalAddr(), Addr: proxyAddr(proxy), Err: err}
}

// proxyAddr is the address of a proxy in errors.
type proxyAddr string

func (a proxyAddr) Network() string { return "tcp" }
func (a proxyAddr) String() string  { return "proxy " + string(a) }

// refusals maps replies of proxies to errors.
var refusals = map[byte]error{
	socksNetUnreachable:  syscall.ENETUNREACH,
	socksHostUnreachable: syscall.EHOSTUNREACH,
	socksRefused:         syscall.ECONNREFUSED,
}
