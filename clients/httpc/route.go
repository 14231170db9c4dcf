package httpc

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/hostname"
)

// Route overrides how the connections of some requests are made: see Request.Route and [WithRoute]. A zero field means
// the value of the Config. Connections are shared only among requests with the same *Route, so keep and reuse it. It
// must not be modified after its first use.
type Route struct {
	Proxy     func(*http.Request) (*url.URL, error) // as Config.Proxy
	TLS       *clients.TLSConfig
	Resolver  clients.Resolver
	LocalAddr string // host:port, as in clients.Config
	Unix      string // path of a Unix domain socket
}

type routeKey struct{}

// WithRoute returns a ctx whose requests use route. It is for requests made with the http.Client of [Client.HTTP].
func WithRoute(ctx context.Context, route *Route) context.Context {
	return context.WithValue(ctx, routeKey{}, route)
}

// target identifies the connections that can serve a request.
type target struct {
	scheme string // http or https
	addr   string // host:port in ASCII; "" for plain requests to an HTTP proxy
	proxy  string // URL of the proxy, with its credentials
	unix   string
	route  *Route
	mayMux bool // HTTP/2 is used if the server supports it
	prior  bool // only HTTP/2 is used

	alone string // the only Host that the connections serve; "" means any
}

// String returns the target without secrets.
func (k target) String() string {
	text := k.scheme + "://" + k.addr
	if k.addr == "" {
		text += "*"
	}
	if k.alone != "" {
		text += " for " + k.alone
	}
	if k.unix != "" {
		text += " at " + k.unix
	}
	if k.proxy != "" {
		u, err := url.Parse(k.proxy)
		if err != nil {
			return text + " by a proxy"
		}
		text += " by " + redactedURL(u)
	}
	return text
}

// schemeOf returns http or https, and whether the URL names a Unix socket.
func schemeOf(scheme string) (plain string, unix, ok bool) {
	switch scheme {
	case "http", "https":
		return scheme, false, true
	case "http+unix", "https+unix":
		return strings.TrimSuffix(scheme, "+unix"), true, true
	}
	return "", false, false
}

// splitUnix splits a URL such as http+unix:/run/x.sock:/path?query.
func splitUnix(u *url.URL) (socket string, inner *url.URL, err error) {
	opaque := u.Opaque
	if opaque == "" {
		opaque = u.EscapedPath() // unescaped below, once
	}
	socket, path, found := strings.Cut(opaque, ":")
	if socket == "" || found && !strings.HasPrefix(path, "/") {
		return "", nil, invalid("URL %q: want %s:/path/of.sock:/path", redactedURL(u), u.Scheme)
	}
	if socket, err = url.PathUnescape(socket); err != nil {
		return "", nil, invalid("URL %q: %v", redactedURL(u), err)
	}
	scheme, _, _ := schemeOf(u.Scheme)
	inner = &url.URL{Scheme: scheme, Host: "localhost", RawQuery: u.RawQuery, ForceQuery: u.ForceQuery}
	if !found {
		path = "/"
	}
	if inner.Path, err = url.PathUnescape(path); err != nil {
		return "", nil, invalid("URL %q: %v", redactedURL(u), err)
	}
	inner.RawPath = path
	return socket, inner, nil
}

// locate sets the target and the proxy of x.
func (x *exchange) locate() error {
	cfg := &x.t.cfg
	route := x.route()
	x.to.route = route
	u := x.req.URL
	scheme, inUnix, ok := schemeOf(u.Scheme)
	if !ok {
		return invalid("unsupported protocol scheme %q; a URL begins with http:// or https://", u.Scheme)
	}
	x.to.unix = cfg.Unix
	if route != nil && route.Unix != "" {
		x.to.unix = route.Unix
	}
	if inUnix {
		socket, inner, err := splitUnix(u)
		if err != nil {
			return err
		}
		x.to.unix, u = socket, inner
	}
	x.url, x.to.scheme = u, scheme
	if u.Host == "" {
		return invalid("no host in the URL of the request")
	}
	addr, err := addrOf(u)
	if err != nil {
		return err
	}
	x.to.addr = addr
	x.chooseProtocol()
	if x.to.unix != "" {
		x.to.addr = strings.ToLower(u.Host) // TLS verifies this name
		return x.refuseBesideUnix(route)
	}
	return x.chooseProxy(route)
}

// route returns the Route of the request, or that of its ctx. The ctx does not have the former, because requests that are
// made on behalf of this one, such as that of a token, have the same ctx.
func (x *exchange) route() *Route {
	if x.call != nil && x.call.r.Route != nil {
		return x.call.r.Route
	}
	route, _ := x.ctx.Value(routeKey{}).(*Route)
	return route
}

// refuseBesideUnix returns an error for settings that contradict a Unix socket.
func (x *exchange) refuseBesideUnix(route *Route) error {
	if x.t.proxyAsked || x.t.cfg.Connect.Resolver != nil || route != nil && (route.Proxy != nil || route.Resolver != nil) {
		return invalid("a Unix socket goes with neither a proxy nor a resolver")
	}
	return nil
}

func (x *exchange) chooseProxy(route *Route) error {
	choose := x.t.cfg.Proxy
	if route != nil && route.Proxy != nil {
		choose = route.Proxy
	}
	via, err := choose(x.req)
	if err != nil {
		return fmt.Errorf("httpc: the choice of a proxy: %w", err)
	}
	if via == nil {
		return nil
	}
	if x.t.cfg.Connect.Allow != nil {
		return invalid("Config.Connect.Allow cannot look at the addresses that a proxy connects to: use one or the other")
	}
	if via.Hostname() == "" {
		return invalid("the proxy %s has no host", redactedURL(via))
	}
	x.to.proxy, x.proxy = via.String(), via
	tunnel := x.t.cfg.TunnelAlways || has(x.header, "Upgrade") // RFC 6455 4.1: a proxy must tunnel other protocols
	if x.to.scheme == "http" && isHTTPProxy(via) && x.method != http.MethodConnect && !tunnel {
		x.forward = true // the proxy forwards plain requests
		x.to.addr, x.to.mayMux, x.to.prior = "", false, false
	}
	return nil
}

func isHTTPProxy(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// addrOf returns the host:port of a URL in ASCII.
func addrOf(u *url.URL) (string, error) {
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = portOf(u.Scheme)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		var few [64]byte
		if string(ip.AppendTo(few[:0])) == host && ip.Is4() {
			return joinPort(u, host, port), nil
		}
		return net.JoinHostPort(ip.String(), port), nil
	}
	if isPlainHost(host) {
		return joinPort(u, host, port), nil
	}
	ascii, err := hostname.ASCII(host)
	if err != nil {
		return "", invalid("host %q: %v", host, err)
	}
	return ascii + ":" + port, nil
}

// joinPort returns host:port, reusing the string in the URL if it is the same.
func joinPort(u *url.URL, host, port string) string {
	if len(u.Host) == len(host)+1+len(port) && u.Host[:len(host)] == host && u.Host[len(host)+1:] == port {
		return u.Host
	}
	return host + ":" + port
}

// isPlainHost reports whether hostname.ASCII would accept a name unchanged.
func isPlainHost(host string) bool {
	label := 0
	for i := range len(host) {
		switch c := host[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			if label++; label > 63 {
				return false
			}
		default:
			return false
		}
	}
	return label > 0 && len(host) <= 253
}

func portOf(scheme string) string {
	if strings.HasPrefix(scheme, "https") || scheme == "wss" {
		return "443"
	}
	return "80"
}

// environmentProxy returns the rules of the current environment. ALL_PROXY is for schemes without a variable of their own.
// In a CGI script the client controls HTTP_PROXY, which is ignored.
func environmentProxy() func(*http.Request) (*url.URL, error) {
	env := httpproxy.FromEnvironment()
	if env.CGI {
		env.CGI, env.HTTPProxy = false, ""
		if runtime.GOOS != "windows" { // where http_proxy is the same variable
			env.HTTPProxy = os.Getenv("http_proxy")
		}
	}
	all := cmp.Or(os.Getenv("all_proxy"), os.Getenv("ALL_PROXY"))
	env.HTTPProxy, env.HTTPSProxy = cmp.Or(env.HTTPProxy, all), cmp.Or(env.HTTPSProxy, all)
	if env.HTTPProxy == "" && env.HTTPSProxy == "" {
		return Direct
	}
	env.NoProxy = hostname.NoProxy(env.NoProxy)
	broken := map[string]error{"http": checkProxy(&env.HTTPProxy), "https": checkProxy(&env.HTTPSProxy)}
	rules := env.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) {
		u := *r.URL
		u.Host = hostname.WithoutDot(u.Host)
		via, err := rules(&u)
		if via != nil && broken[u.Scheme] != nil {
			return nil, broken[u.Scheme]
		}
		return via, err
	}
}

// checkProxy returns an error if a value of the environment is not the URL of a proxy, and then replaces it by one that
// is: the rules ignore values that they cannot parse, so that requests would bypass the proxy.
func checkProxy(value *string) error {
	if *value == "" {
		return nil
	}
	_, err := clients.ParseProxy(*value)
	if err != nil {
		*value = "proxy.invalid"
	}
	return err
}

// redactedURL returns u with the password removed or, without a password, the user.
func redactedURL(u *url.URL) string {
	if u.User == nil {
		return u.String()
	}
	c := *u
	c.User = url.User("xxxxx")
	return c.String()
}

// chooseProtocol decides whether HTTP/2 may be used. Upgrade requires HTTP/1; extend handles its replacement in HTTP/2.
func (x *exchange) chooseProtocol() {
	if !has(x.header, "Upgrade") {
		x.to.mayMux, x.to.prior = x.t.muxes(x.to.scheme)
	}
}

// muxes reports whether HTTP/2 may be used with servers of a scheme, and whether it must be.
func (t *Transport) muxes(scheme string) (may, prior bool) {
	p := &t.protocols
	if scheme == "https" {
		return p.HTTP2(), p.HTTP2() && !p.HTTP1()
	}
	prior = p.UnencryptedHTTP2() && !p.HTTP1()
	return prior, prior
}
