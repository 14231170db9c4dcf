package httpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// serveTLS serves handler over TLS with the certificate of httptest, which is valid for example.com and loopback
// addresses.
func serveTLS(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

// trusting returns a configuration that trusts the certificate of httptest.
func trusting() clients.Config {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return clients.Config{TLS: &clients.TLSConfig{RootCAs: roots}}
}

func TestHTTPSAndItsFailures(t *testing.T) {
	base := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.TLS.ServerName) })
	c := newClient(t, &Config{Connect: trusting()})
	for range 3 {
		resp, err := c.Get(t.Context(), base)
		require.NoError(t, err)
		require.NotNil(t, resp.TLS)
		require.NotEmpty(t, resp.TLS.VerifiedChains)
		require.NoError(t, resp.Close())
	}
	require.EqualValues(t, 1, c.Stats()[0].Dials)
	_, err := newClient(t, nil).Get(t.Context(), base)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	plain := serve(t, echo)
	_, err = c.Get(t.Context(), strings.Replace(plain, "http:", "https:", 1))
	require.Error(t, err)
}

// TestServerNameIsThatOfTheHostAnotherOrNone checks the server name (SNI) that the server receives.
func TestServerNameIsThatOfTheHostAnotherOrNone(t *testing.T) {
	base := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.TLS.ServerName) })
	toServer := func(ctx context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
		return clients.DialTCP(ctx, strings.TrimPrefix(base, "https://"), &clients.Config{Conn: *conn})
	}
	for want, change := range map[string]func(*clients.TLSConfig){
		"example.com":     func(*clients.TLSConfig) {},
		"sub.example.com": func(c *clients.TLSConfig) { c.ServerName, c.InsecureSkipVerify = "sub.example.com", true },
		"":                func(c *clients.TLSConfig) { c.HideServerName = true },
	} {
		connect := trusting()
		change(connect.TLS)
		_, got := text(t, newClient(t, &Config{Connect: connect, Dial: toServer, Proxy: Direct}), "https://example.com/")
		require.Equal(t, want, got)
	}
}

// proxy is an HTTP proxy that forwards requests, opens tunnels, and records the requests.
type proxy struct {
	url  string
	seen []string
}

func startProxy(t *testing.T, withTLS bool) *proxy {
	p := &proxy{}
	handler := func(w http.ResponseWriter, r *http.Request) {
		p.seen = append(p.seen, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization")+" "+r.Header.Get("X-Proxy"))
		if strings.HasPrefix(r.Host, "refused") {
			w.Header().Set("X-Why", "because")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.Method != http.MethodConnect {
			r.RequestURI = ""
			r.Header.Del("Proxy-Authorization")
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body)
			return
		}
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		near, buffered, _ := http.NewResponseController(w).Hijack()
		go func() { _, _ = io.Copy(far, buffered); _ = far.Close() }()
		_, _ = io.Copy(near, far)
		_ = near.Close()
	}
	t.Cleanup(func() { http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	if withTLS {
		p.url = serveTLS(t, handler)
	} else {
		p.url = serve(t, handler)
	}
	return p
}

func via(t *testing.T, rawURL string) func(*http.Request) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	return http.ProxyURL(u)
}

func TestHTTPProxies(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.Path+r.Header.Get("Proxy-Authorization")+r.Header.Get("X-Proxy"))
	})
	secure := serveTLS(t, echo)
	for _, withTLS := range []bool{false, true} {
		p := startProxy(t, withTLS)
		withUser := strings.Replace(p.url, "://", "://me:pass@", 1)
		connect := trusting()
		cfg := Config{
			Proxy: via(t, withUser), Connect: connect, ProxyTLS: connect.TLS, ProxyHeader: http.Header{"X-Proxy": {"hi"}},
		}
		c := newClient(t, &cfg)
		for range 2 {
			_, got := text(t, c, plain+"/a")
			require.Equal(t, "/ahi", got, "this proxy passes its header on, but never the credentials")
			text(t, c, secure+"/b")
		}
		const auth = " Basic bWU6cGFzcw== hi"
		require.Equal(t, []string{
			"GET " + plain + "/a" + auth, "CONNECT " + secure[8:] + auth, "GET " + plain + "/a" + auth,
		}, p.seen, "the tunnel is used again")
		require.NotContains(t, fmt.Sprint(c.Stats()), "pass")

		p.seen = nil
		text(t, c, plain)
		text(t, c, plain+"?b")
		require.Equal(t, []string{"GET " + plain + "/" + auth, "GET " + plain + "/?b" + auth}, p.seen)

		p.seen = nil
		cfg.TunnelAlways = true
		_, got := text(t, newClient(t, &cfg), plain+"/a")
		require.Equal(t, "/a", got)
		require.Equal(t, []string{"CONNECT " + plain[7:] + auth}, p.seen)

		_, err := c.Get(t.Context(), "https://refused.example/")
		var refused *clients.ProxyError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 403, refused.Code)
		require.Equal(t, []string{"because"}, refused.Header["X-Why"])
		require.NotContains(t, err.Error(), "pass")
	}
}

// TestFieldsForAProxyAreSentOnce uses fields that a request, its URL or the defaults set too.
func TestFieldsForAProxyAreSentOnce(t *testing.T) {
	got := make(chan http.Header, 1)
	proxy := serve(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	c := newClient(t, &Config{Proxy: via(t, strings.Replace(proxy, "://", "://me:pass@", 1)), ProxyHeader: http.Header{
		"user-agent": {"for the proxy"}, "Proxy-Authorization": {"Bearer t"}, "X-A": {"1", "2"}, "x-b": {"1"},
	}})
	resp, err := c.Do(t.Context(), &Request{URL: "http://origin.example", Header: http.Header{"X-B": {"own"}}})
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	h := <-got
	require.Equal(t, []string{"for the proxy"}, h["User-Agent"])
	require.Equal(t, []string{"Bearer t"}, h["Proxy-Authorization"])
	require.Equal(t, []string{"1", "2"}, h["X-A"])
	require.Equal(t, []string{"own"}, h["X-B"])
	_, err = c.Get(t.Context(), "https://origin.example")
	require.Error(t, err, "it makes no tunnels")
	require.Len(t, got, 1, "it was asked for one")
	require.Equal(t, []string{"Bearer t"}, (<-got)["Proxy-Authorization"])
}

func TestProxyOfARequestSharesNoConnections(t *testing.T) {
	plain := serve(t, echo)
	one, two := startProxy(t, false), startProxy(t, false)
	c := newClient(t, nil)
	for _, route := range []*Route{nil, {Proxy: via(t, one.url)}, {Proxy: via(t, two.url)}} {
		for range 2 {
			resp, err := c.Do(t.Context(), &Request{URL: plain, Route: route})
			require.NoError(t, err)
			require.NoError(t, resp.Close())
		}
	}
	require.Len(t, one.seen, 2)
	require.Len(t, two.seen, 2)
	require.Len(t, c.Stats(), 3)
	for _, s := range c.Stats() {
		require.EqualValues(t, 1, s.Dials)
	}
}

func TestProxiesOfTheEnvironment(t *testing.T) {
	for name, k := range map[string]struct {
		env          map[string]string
		http, https  string
		direct, used []string // further URLs
	}{
		"nothing":          {},
		"HTTP_PROXY":       {env: map[string]string{"HTTP_PROXY": "http://p:1"}, http: "http://p:1"},
		"without a scheme": {env: map[string]string{"http_proxy": "p:1"}, http: "http://p:1"},
		"both": {
			env:  map[string]string{"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "socks5://q:2"},
			http: "http://p:1", https: "socks5://q:2",
		},
		"ALL_PROXY": {env: map[string]string{"ALL_PROXY": "socks5://p:1"}, http: "socks5://p:1", https: "socks5://p:1"},
		"all_proxy beside another": {
			env:  map[string]string{"all_proxy": "socks5://p:1", "https_proxy": "http://q:2"},
			http: "socks5://p:1", https: "http://q:2",
		},
		"CGI": {env: map[string]string{"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:2", "REQUEST_METHOD": "GET"}, https: "http://q:2"},
		"NO_PROXY": {
			env:  map[string]string{"ALL_PROXY": "http://p:1", "NO_PROXY": "b.example, .c.example,*.d.example,10.0.0.0/8,192.0.2.1,e.example:81,2001:db8::1,[2001:db8::3],[2001:db8::4]:81,f.example.,g.example.:81"},
			http: "http://p:1", https: "http://p:1",
			direct: []string{
				"http://localhost/", "http://127.0.0.1:8080/", "https://[::1]/", "http://b.example/", "https://x.b.example:444/", "http://x.c.example/",
				"http://x.d.example/", "http://10.1.2.3/", "http://192.0.2.1/", "http://e.example:81/", "http://[2001:db8::1]/", "http://[2001:db8::3]/", "http://[2001:db8::3]:82/", "http://[2001:db8::4]:81/", "http://B.EXAMPLE/",
				"http://b.example./", "http://e.example.:81/", "http://f.example/", "http://f.example./", "http://g.example:81/",
			},
			used: []string{
				"http://notb.example/", "http://c.example/", "http://11.0.0.1/", "http://192.0.2.2/", "http://e.example/", "http://e.example:82/", "http://[2001:db8::2]/", "http://[2001:db8::4]/",
			},
		},
		"no URL beside another": {
			env: map[string]string{"HTTP_PROXY": "http://p:port", "HTTPS_PROXY": "http://q:2", "NO_PROXY": "b.example"}, http: "error",
			https: "http://q:2", direct: []string{"http://localhost/", "http://b.example/"},
		},
		"no URL for https": {env: map[string]string{"HTTPS_PROXY": "http://u:p%s@q:2"}, https: "error"},
		"NO_PROXY of all":  {env: map[string]string{"ALL_PROXY": "http://p:1", "no_proxy": "*"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"} {
				t.Setenv(name, "")
				t.Setenv(strings.ToLower(name), "")
			}
			for name, v := range k.env {
				t.Setenv(name, v)
			}
			c := newClient(t, nil)
			choice := func(target string) string {
				u, err := c.t.cfg.Proxy(newRequest(t, "GET", target, nil))
				if err != nil {
					return "error"
				}
				if u == nil {
					return ""
				}
				return u.String()
			}
			require.Equal(t, k.http, choice("http://a.example/"))
			require.Equal(t, k.https, choice("https://a.example/"))
			for _, target := range k.direct {
				require.Empty(t, choice(target), target)
			}
			for _, target := range k.used {
				require.NotEmpty(t, choice(target), target)
			}
		})
	}
}

// startSOCKS starts a SOCKS 4, 4a and 5 proxy that always connects to to, and reports the requested address.
func startSOCKS(t *testing.T, to string) (addr string, asked chan string) {
	asked = make(chan string, 10)
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		version, err := in.ReadByte()
		if err != nil {
			return
		}
		if version == 4 {
			head := make([]byte, 7)
			_, _ = io.ReadFull(in, head)
			user, _ := in.ReadString(0)
			host := netip.AddrFrom4([4]byte(head[3:7])).String()
			if strings.HasPrefix(host, "0.0.0.") {
				host, _ = in.ReadString(0)
			}
			asked <- fmt.Sprintf("4 %s %s:%d", user[:len(user)-1], strings.TrimSuffix(host, "\x00"), binary.BigEndian.Uint16(head[1:3]))
			_, _ = nc.Write([]byte{0, 90, 0, 0, 0, 0, 0, 0})
		} else {
			n, _ := in.ReadByte()
			_, _ = in.Discard(int(n))
			_, _ = nc.Write([]byte{5, 0})
			head := make([]byte, 5)
			_, _ = io.ReadFull(in, head)
			rest := make([]byte, int(head[4])+2)
			_, _ = io.ReadFull(in, rest)
			asked <- fmt.Sprintf("5 %s:%d", rest[:len(rest)-2], binary.BigEndian.Uint16(rest[len(rest)-2:]))
			_, _ = nc.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		}
		far, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(far, in); _ = far.Close() }()
		_, _ = io.Copy(nc, far)
	})
	return strings.TrimPrefix(s.url, "http://"), asked
}

func TestSOCKSProxies(t *testing.T) {
	plain := serve(t, echo)
	addr, asked := startSOCKS(t, strings.TrimPrefix(plain, "http://"))
	static, err := clients.NewStaticResolver(map[string][]string{"a.example": {"192.0.2.7"}})
	require.NoError(t, err)
	for proxyURL, want := range map[string]string{
		"socks5://" + addr: "5 a.example:81", "socks5h://" + addr: "5 a.example:81",
		"socks4a://me@" + addr: "4 me a.example:81", "socks4://me@" + addr: "4 me 192.0.2.7:81",
	} {
		c := newClient(t, &Config{Proxy: via(t, proxyURL), Connect: clients.Config{Resolver: static}})
		status, _ := text(t, c, "http://a.example:81/")
		require.Equal(t, 200, status)
		require.Equal(t, want, <-asked)
	}
	_, err = newClient(t, &Config{Proxy: via(t, "gopher://"+addr)}).Get(t.Context(), "http://a/")
	require.ErrorContains(t, err, "scheme")

	other, err := clients.NewStaticResolver(map[string][]string{"a.example": {"192.0.2.8"}})
	require.NoError(t, err)
	c := newClient(t, &Config{Connect: clients.Config{Resolver: static}})
	resp, err := c.Do(t.Context(), &Request{URL: "http://a.example:81", Route: &Route{Proxy: via(t, "socks4://me@"+addr), Resolver: other}})
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	require.Equal(t, "4 me 192.0.2.8:81", <-asked, "by the resolver of the Route")
}

func TestProxyWithoutAHostIsAnError(t *testing.T) {
	c := newClient(t, &Config{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("http:proxy.example:3128") }})
	for _, origin := range []string{"http://a.example", "https://a.example"} {
		_, err := c.Get(t.Context(), origin)
		require.ErrorContains(t, err, "no host")
	}
}

func TestUnixSockets(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s:1 %.sock")
	ln, err := net.Listen("unix", socket)
	require.NoError(t, err)
	path := strings.NewReplacer("%", "%25", ":", "%3A").Replace(socket)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to" {
			w.Header().Set("Location", r.URL.Query().Get("to"))
			w.WriteHeader(302)
			return
		}
		_, _ = io.WriteString(w, r.Host+" "+r.RequestURI)
	})}
	go func() { _ = srv.Serve(ln) }() // returns after Close
	t.Cleanup(func() { _ = srv.Close() })

	c := newClient(t, nil)
	_, got := text(t, c, "http+unix:"+path+":/a%20b?c=d")
	require.Equal(t, "localhost /a%20b?c=d", got)
	for _, asIs := range []string{"/a%2Fb", "/a%2520b", "/100%25", "/a:b?c=%2F"} {
		_, got = text(t, c, "http+unix:"+path+":"+asIs)
		require.Equal(t, "localhost "+asIs, got)
	}
	_, got = text(t, c, "http+unix:"+path)
	require.Equal(t, "localhost /", got)
	_, got = text(t, c, "http+unix:"+path+":/to?to=/x")
	require.Equal(t, "localhost /x", got)
	resp, err := c.Do(t.Context(), &Request{URL: "http+unix:" + path + ":/", Host: "mine"})
	require.NoError(t, err)
	got, err = resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "mine /", got)
	_, err = c.Get(t.Context(), "http+unix:"+path+":/to?to=http://example.org/")
	var refused *RedirectError
	require.ErrorAs(t, err, &refused)

	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.Host+" "+r.TLS.ServerName)
	}))
	_ = secure.Listener.Close()
	securePath := filepath.Join(t.TempDir(), "s.sock")
	secure.Listener, err = net.Listen("unix", securePath)
	require.NoError(t, err)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	connect := trusting()
	connect.TLS.ServerName = "example.com"
	_, got = text(t, newClient(t, &Config{Connect: connect}), "https+unix:"+securePath+":/x")
	require.Equal(t, "HTTP/2.0 localhost example.com", got)
	_, got = text(t, newClient(t, &Config{Connect: trusting(), Unix: securePath}), "https://example.com/x")
	require.Equal(t, "HTTP/2.0 example.com example.com", got)

	any := newClient(t, &Config{Unix: socket})
	_, got = text(t, any, "http://whatever.example/x")
	require.Equal(t, "whatever.example /x", got)

	for _, cfg := range []*Config{
		{Unix: path, Proxy: Direct}, {Unix: path, Connect: clients.Config{Resolver: clients.SystemResolver(nil)}},
	} {
		_, err = newClient(t, cfg).Get(t.Context(), "http://a/")
		require.ErrorContains(t, err, "Unix socket")
	}
	_, err = c.Get(t.Context(), "http+unix:/nowhere:/")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestStaticResolverAndPublicOnly uses a table with a wildcard, and rejects its addresses.
func TestStaticResolverAndPublicOnly(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to" {
			http.Redirect(w, r, "http://evil.example:"+strings.Split(r.Host, ":")[1], http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.Host)
	})
	port := strings.Split(plain, ":")[2]
	static, err := clients.NewStaticResolver(map[string][]string{"*.netty.io": {"127.0.0.1"}, "evil.example": {"127.0.0.2"}})
	require.NoError(t, err)
	c := newClient(t, &Config{Connect: clients.Config{Resolver: static}})
	for _, host := range []string{"netty.io:", "a.netty.io:", "b.c.netty.io:"} {
		_, got := text(t, c, "http://"+host+port)
		require.Equal(t, host+port, got)
	}
	_, err = newClient(t, &Config{Connect: clients.Config{Resolver: static, Allow: clients.PublicOnly}}).Get(t.Context(), "http://netty.io:"+port)
	require.ErrorContains(t, err, "not public")
	onlyFirst := func(to netip.AddrPort) error {
		if to.Addr() != netip.MustParseAddr("127.0.0.1") {
			return clients.PublicOnly(to)
		}
		return nil
	}
	_, err = newClient(t, &Config{Connect: clients.Config{Resolver: static, Allow: onlyFirst}}).Get(t.Context(), "http://netty.io:"+port+"/to")
	require.ErrorContains(t, err, "127.0.0.2 is not public", "on redirects too")
	_, err = newClient(t, &Config{Proxy: via(t, plain), Connect: clients.Config{Allow: clients.PublicOnly}}).Get(t.Context(), "http://a/")
	require.ErrorContains(t, err, "Allow")
}

func TestMutualTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.Organization[0])
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	cert := srv.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	file := func(name string, p []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, p, 0o600))
		return path
	}
	inPEM := func(kind string, p []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: p}) }
	roots := trusting().TLS.RootCAs
	for name, conf := range map[string]clients.TLSConfig{
		"a value": {RootCAs: roots, Certificates: []tls.Certificate{cert}},
		"PEM": {
			RootCAFile: file("roots.pem", inPEM("CERTIFICATE", cert.Certificate[0])),
			CertFile:   file("cert.pem", inPEM("CERTIFICATE", cert.Certificate[0])), KeyFile: file("key.pem", inPEM("PRIVATE KEY", key)),
		},
		"DER": {
			RootCAFile: file("roots.der", cert.Certificate[0]),
			CertFile:   file("cert.der", cert.Certificate[0]), KeyFile: file("key.der", key),
		},
		"both": {RootCAs: roots, CertFile: file("cert", inPEM("CERTIFICATE", cert.Certificate[0])), KeyFile: file("key", key)},
	} {
		_, got := text(t, newClient(t, &Config{Connect: clients.Config{TLS: &conf}}), srv.URL)
		require.Equal(t, "Acme Co", got, name)
		_, got = func() (int, string) { // of a request
			resp, err := newClient(t, nil).Do(t.Context(), &Request{URL: srv.URL, Route: &Route{TLS: &conf}})
			require.NoError(t, err, name)
			got, err := resp.Text(t.Context())
			require.NoError(t, err)
			return resp.Status, got
		}()
		require.Equal(t, "Acme Co", got, name)
	}
	for name, conf := range map[string]clients.TLSConfig{
		"no certificate": {RootCAs: roots},
		"no key":         {RootCAs: roots, CertFile: file("cert2.der", cert.Certificate[0]), KeyFile: file("none", nil)},
		"another key":    {RootCAs: roots, CertFile: file("cert3.der", key), KeyFile: file("key3.der", key)},
		"no authorities": {RootCAFile: file("nothing", []byte("x"))},
	} {
		_, err := newClient(t, &Config{Connect: clients.Config{TLS: &conf}}).Get(t.Context(), srv.URL)
		require.Error(t, err, name)
	}
	_, err = newClient(t, &Config{Connect: trusting()}).Get(t.Context(), srv.URL)
	require.ErrorContains(t, err, "certificate")
}

func TestConnectMakesATunnel(t *testing.T) {
	p := startProxy(t, false)
	s := raw(t, func(nc net.Conn, in *bufio.Reader) { _, _ = io.Copy(nc, in) })
	c := newClient(t, nil)
	conn, err := c.Connect(t.Context(), p.url, strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	require.NoError(t, conn.Out.Send(t.Context(), []byte("hello")))
	got := make([]byte, len("hello"))
	_, err = io.ReadFull(chanio.NewReader(t.Context(), conn.In), got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	require.NoError(t, conn.Close())
	_, err = c.Connect(t.Context(), p.url, "refused.example:1")
	var refused *StatusError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 403, refused.Status)
	require.Equal(t, "because", refused.Header.Get("X-Why"))
}

func TestTunnelsHaveATarget(t *testing.T) {
	s := raw(t, says("HTTP/1.1 200 OK\r\n\r\n"))
	for _, target := range []string{"", "a.example", ":443", "a.example:", "::1"} {
		_, err := newClient(t, nil).Connect(t.Context(), s.url, target)
		require.ErrorContains(t, err, "host:port", target)
	}
	require.Zero(t, s.accepted())
}

// TestCredentialsOfATunnelAreForTheProxy has them in the URL, with HTTP/1 and HTTP/2.
func TestCredentialsOfATunnelAreForTheProxy(t *testing.T) {
	for name, protocols := range map[string]*http.Protocols{"HTTP/1": nil, "HTTP/2": h2c()} {
		t.Run(name, func(t *testing.T) {
			var got http.Header
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r.Header
				w.WriteHeader(http.StatusForbidden)
			}))
			srv.Config.Protocols = protocols
			srv.Start()
			t.Cleanup(srv.Close)
			c := newClient(t, &Config{Protocols: protocols})
			_, err := c.Connect(t.Context(), strings.Replace(srv.URL, "//", "//user:p%20w@", 1), "a.example:443")
			var refused *StatusError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "Basic dXNlcjpwIHc=", got.Get("Proxy-Authorization"))
			require.NotContains(t, got, "Authorization")
		})
	}
}

func TestUpgradeKeepsWhatWasRead(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if r := readRequest(in); r != nil && r.Header.Get("Upgrade") == "echo" {
			_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst")
			_, _ = io.Copy(nc, in)
		}
		_, _ = io.WriteString(nc, hello)
	})
	c := newClient(t, nil)
	asks := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}}
	resp, conn, err := c.Upgrade(t.Context(), &Request{URL: s.url, Header: asks, Timeout: testPatience})
	require.NoError(t, err)
	require.Equal(t, 101, resp.Status)
	got, err := conn.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "first", string(got))
	require.NoError(t, conn.Close())
	resp, conn, err = c.Upgrade(t.Context(), &Request{URL: s.url})
	require.NoError(t, err)
	require.Nil(t, conn)
	body, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", body)
}

func TestPortOfAProxyFollowsFromItsScheme(t *testing.T) {
	for address, want := range map[string]string{
		"http://a": "a:80", "https://a": "a:443", "socks5://a": "a:1080", "socks4a://a": "a:1080", "http://[::1]": "[::1]:80",
		"http://a:8080": "a:8080",
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, want, hostPort(u), address)
	}
}
