package httpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// hosts is an HTTP/2 server for several names. It counts its connections.
type hosts struct {
	port  string
	conns atomic.Int64
}

// serveHosts serves names below example.com, for which the certificate of httptest is valid.
func serveHosts(t *testing.T, handler http.HandlerFunc) *hosts {
	t.Helper()
	return serveHostsOf(t, func(*httptest.Server) {}, handler)
}

// serveHostsOf is serveHosts with a function that changes the server before it starts.
func serveHostsOf(t *testing.T, change func(*httptest.Server), handler http.HandlerFunc) *hosts {
	t.Helper()
	h := &hosts{}
	srv := httptest.NewUnstartedServer(handler)
	srv.EnableHTTP2 = true
	change(srv)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			h.conns.Add(1)
		}
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	h.port = u.Port()
	return h
}

func (h *hosts) url(name string) string { return "https://" + name + ":" + h.port + "/" }

// sharing returns a Config that coalesces. Names resolve to the loopback address, or as table says.
func sharing(t *testing.T, table map[string][]string) *Config {
	t.Helper()
	if table == nil {
		table = map[string][]string{"*": {"127.0.0.1"}}
	}
	r, err := clients.NewStaticResolver(table)
	require.NoError(t, err)
	cfg := &Config{Connect: trusting(), CoalesceHosts: true}
	cfg.Connect.Resolver = r
	return cfg
}

// dialLoopback is a Config.Dial that connects every name to the loopback address.
func dialLoopback(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	cfg := &clients.Config{}
	if conn != nil {
		cfg.Conn = *conn
	}
	return clients.DialTCP(ctx, "127.0.0.1:"+port, cfg)
}

func TestHostsShareAConnectionUnderItsConditions(t *testing.T) {
	for name, k := range map[string]struct {
		table  map[string][]string
		change func(*Config)
		other  string
		conns  int64
	}{
		"all hold":        {conns: 1},
		"not asked for":   {conns: 2, change: func(c *Config) { c.CoalesceHosts = false }},
		"another address": {conns: 2, table: map[string][]string{"a.example.com": {"127.0.0.1"}, "b.example.com": {"::1", "127.0.0.2"}}},
		"one in common":   {conns: 1, table: map[string][]string{"a.example.com": {"127.0.0.1"}, "b.example.com": {"::2", "127.0.0.1"}}},
		"certificate":     {conns: 2, other: "b.other.example"},
		"not verified":    {conns: 2, change: func(c *Config) { c.Connect.TLS.InsecureSkipVerify = true }},
		"verified by hand": {conns: 2, change: func(c *Config) {
			c.Connect.TLS.Base = &tls.Config{VerifyConnection: func(tls.ConnectionState) error { return nil }}
		}},
		"certificates by hand": {conns: 2, change: func(c *Config) {
			c.Connect.TLS.Base = &tls.Config{VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return nil }}
		}},
		"client certificate": {conns: 2, change: func(c *Config) { c.Connect.TLS.Certificates = make([]tls.Certificate, 1) }},
		"client certificate by hand": {conns: 2, change: func(c *Config) {
			c.Connect.TLS.Base = &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &tls.Certificate{}, nil
			}}
		}},
		"server name":           {conns: 2, change: func(c *Config) { c.Connect.TLS.ServerName = "c.example.com" }},
		"no server name":        {conns: 2, change: func(c *Config) { c.Connect.TLS.HideServerName = true }},
		"a dialler":             {conns: 2, change: func(c *Config) { c.Dial = dialLoopback }},
		"not verified, in Base": {conns: 2, change: func(c *Config) { c.Connect.TLS.Base = &tls.Config{InsecureSkipVerify: true} }},
		"server name in Base":   {conns: 2, change: func(c *Config) { c.Connect.TLS.Base = &tls.Config{ServerName: "c.example.com"} }},
		"client certificate in Base": {conns: 2, change: func(c *Config) {
			c.Connect.TLS.Base = &tls.Config{Certificates: make([]tls.Certificate, 1)}
		}},
		"an ordinary Base": {conns: 1, change: func(c *Config) { c.Connect.TLS.Base = &tls.Config{SessionTicketsDisabled: true} }},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveHosts(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto+" "+r.Host) })
			cfg := sharing(t, k.table)
			if k.change != nil {
				k.change(cfg)
			}
			if k.other == "" {
				k.other = "b.example.com"
			}
			c := newClient(t, cfg)
			_, got := text(t, c, s.url("a.example.com"))
			require.Equal(t, "HTTP/2.0 a.example.com:"+s.port, got)
			if len(k.table["b.example.com"]) == 2 && k.conns == 2 {
				_, err := c.Get(t.Context(), s.url(k.other)) // no server listens there
				require.Error(t, err)
				return
			}
			resp, err := c.Get(t.Context(), s.url(k.other))
			if k.other != "b.example.com" {
				require.Error(t, err, "the certificate is not for it")
			} else {
				require.NoError(t, err)
				got, err := resp.Text(t.Context())
				require.NoError(t, err)
				require.Equal(t, "HTTP/2.0 b.example.com:"+s.port, got)
			}
			require.Equal(t, k.conns, s.conns.Load())
		})
	}
}

// TestRoutesAndProxiesShareNoConnection sends requests for two hosts with one certificate by different ways.
func TestRoutesAndProxiesShareNoConnection(t *testing.T) {
	s := serveHosts(t, func(http.ResponseWriter, *http.Request) {})
	static, err := clients.NewStaticResolver(map[string][]string{"*": {"127.0.0.1"}})
	require.NoError(t, err)
	local := &Route{LocalAddr: "127.0.0.1:0"}
	socks, _ := startSOCKS(t, "127.0.0.1:"+s.port)
	for name, k := range map[string]struct {
		one, two *Route
		conns    int64
	}{
		"the same":            {nil, nil, 1},
		"the same route":      {local, local, 1},
		"another local one":   {nil, local, 2},
		"another local":       {local, &Route{LocalAddr: "127.0.0.1:0"}, 2},
		"another resolver":    {nil, &Route{Resolver: static}, 2},
		"another TLS":         {nil, &Route{TLS: trusting().TLS}, 2},
		"a proxy":             {nil, &Route{Proxy: via(t, "socks5://"+socks)}, 2},
		"both through it":     {&Route{Proxy: via(t, "socks5://"+socks)}, &Route{Proxy: via(t, "socks5://"+socks)}, 2},
		"the first, and then": {&Route{Proxy: via(t, "socks5://"+socks)}, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.conns.Load()
			c := newClient(t, sharing(t, nil))
			for i, route := range []*Route{k.one, k.two, k.one, k.two} {
				resp, err := c.Do(t.Context(), &Request{URL: s.url([]string{"a", "b"}[i%2] + ".example.com"), Route: route})
				require.NoError(t, err)
				require.NoError(t, resp.Close())
			}
			require.Equal(t, k.conns, s.conns.Load()-before)
		})
	}
}

// TestHostsThatShareAConnectionEndItTogether checks that each host uses a new connection when the shared one ends, and
// that Close ends all.
func TestHostsThatShareAConnectionEndItTogether(t *testing.T) {
	s := serveHosts(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			w.Header().Set("Connection", "close") // net/http sends GOAWAY
		}
	})
	c := newClient(t, sharing(t, nil))
	for _, name := range []string{"a", "b", "c"} {
		text(t, c, s.url(name+".example.com"))
	}
	require.EqualValues(t, 1, s.conns.Load())
	var shared uint64
	for _, st := range c.Stats() {
		shared += st.Shared
		require.LessOrEqual(t, st.Dials, uint64(1), "%+v", st)
	}
	require.EqualValues(t, 2, shared)
	text(t, c, s.url("b.example.com")+"end")
	require.Eventually(t, func() bool {
		for _, st := range c.Stats() {
			if st.Open > 0 {
				return false
			}
		}
		return true
	}, testPatience, 1e6)
	for _, name := range []string{"c", "a", "b"} {
		text(t, c, s.url(name+".example.com"))
	}
	require.EqualValues(t, 2, s.conns.Load())
}

// TestMisdirectedRequestIsRepeatedOnItsOwnConnection sends POST requests, which are not idempotent. RFC 9110 15.5.20
// permits repeating them.
func TestMisdirectedRequestIsRepeatedOnItsOwnConnection(t *testing.T) {
	var mu sync.Mutex
	owner := map[string]string{} // of a connection
	seen := map[string]int{}
	s := serveHosts(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen[r.Host]++
		if owner[r.RemoteAddr] == "" {
			owner[r.RemoteAddr] = r.Host
		}
		if owner[r.RemoteAddr] != r.Host {
			w.WriteHeader(http.StatusMisdirectedRequest)
			return
		}
		_, _ = w.Write(body)
	})
	c := newClient(t, sharing(t, nil))
	a, b := s.url("a.example.com"), s.url("b.example.com")
	for range 3 {
		for _, to := range []string{a, b} {
			resp, err := c.Post(t.Context(), to, Text("hello"))
			require.NoError(t, err)
			got, err := resp.Text(t.Context())
			require.NoError(t, err)
			require.Equal(t, 200, resp.Status)
			require.Equal(t, "hello", got)
		}
	}
	require.EqualValues(t, 2, s.conns.Load())
	require.Equal(t, 3, seen["a.example.com:"+s.port])
	require.Equal(t, 4, seen["b.example.com:"+s.port], "it is remembered that b needs its own")
}

// TestMisdirectedRequestIsRepeatedOnce uses a server that always answers 421.
func TestMisdirectedRequestIsRepeatedOnce(t *testing.T) {
	for name, k := range map[string]struct {
		body Body
		asks int64
	}{
		"with a body that is there": {Text("x"), 3},
		"with one that is gone":     {Reader(readerOf("x"), 1), 2},
	} {
		t.Run(name, func(t *testing.T) {
			var asks atomic.Int64
			s := serveHosts(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				asks.Add(1)
				w.WriteHeader(http.StatusMisdirectedRequest)
				_, _ = io.WriteString(w, "not here")
			})
			c := newClient(t, sharing(t, nil))
			status, _ := text(t, c, s.url("a.example.com"))
			require.Equal(t, 421, status)
			require.EqualValues(t, 1, asks.Load(), "a new connection is as much its own as another")
			resp, err := c.Post(t.Context(), s.url("b.example.com"), k.body)
			require.NoError(t, err)
			require.Equal(t, 421, resp.Status)
			got, err := resp.Text(t.Context())
			require.NoError(t, err)
			require.Equal(t, "not here", got)
			require.Equal(t, k.asks, asks.Load())
		})
	}
}

// TestMisdirectedRequestOverHTTP1 uses a connection that has served another Host.
func TestMisdirectedRequestOverHTTP1(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		first := ""
		for r := readRequest(in); r != nil; r = readRequest(in) {
			if first == "" {
				first = r.Host
			}
			status := "200 OK"
			if r.Host != first {
				status = "421 Misdirected Request"
			}
			_, _ = io.WriteString(nc, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := newClient(t, nil)
	for range 2 {
		for _, host := range []string{"a", "b"} {
			resp, err := c.Do(t.Context(), &Request{URL: s.url, Host: host})
			require.NoError(t, err)
			require.Equal(t, 200, resp.Status, host)
			require.NoError(t, resp.Close())
		}
	}
	require.Equal(t, 2, s.accepted())
}

// TestHostsThatAreApartAreBounded requests many names from servers that answer 421.
func TestHostsThatAreApartAreBounded(t *testing.T) {
	var a apart
	for i := range 3 * maxGroups {
		to := target{addr: "x", alone: strings.Repeat("x", i)}
		a.add(to)
		require.True(t, a.has(to))
	}
	require.Len(t, a.hosts, maxGroups)
}

// TestHostDoesNotBorrowItsOwnConnection has a dial look for connections when its own host has one already.
func TestHostDoesNotBorrowItsOwnConnection(t *testing.T) {
	s := serveHosts(t, func(http.ResponseWriter, *http.Request) {})
	c := newClient(t, sharing(t, nil))
	text(t, c, s.url("a.example.com"))
	found := func(name string) int {
		r := newRequest(t, "GET", s.url(name), nil)
		x, err := c.t.prepare(r)
		require.NoError(t, err)
		host, port, err := net.SplitHostPort(x.to.addr)
		require.NoError(t, err)
		return len(c.t.pool.certified(x.to, host, port))
	}
	require.Zero(t, found("a.example.com"))
	require.Equal(t, 1, found("b.example.com"))
}

// TestHostsThatShareAConnectionAreBounded requests many names from one server.
func TestHostsThatShareAConnectionAreBounded(t *testing.T) {
	s := serveHosts(t, func(http.ResponseWriter, *http.Request) {})
	c := newClient(t, sharing(t, nil))
	for i := range maxGroups + 200 {
		text(t, c, s.url(fmt.Sprintf("h%d.example.com", i)))
	}
	require.EqualValues(t, 1, s.conns.Load())
	p := c.t.pool
	sizes := func() (groups, guests int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for m := range p.alive {
			guests = len(m.guests)
		}
		return len(p.groups), guests
	}
	groups, guests := sizes()
	require.LessOrEqual(t, groups, maxGroups+1)
	require.Equal(t, maxGuests, guests)
	text(t, c, s.url("h0.example.com")) // over its own connection
	text(t, c, s.url("h1.example.com")) // has been forgotten
	require.EqualValues(t, 1, s.conns.Load())
	c.CloseIdleConnections()
	require.Eventually(t, func() bool {
		groups, _ := sizes()
		return groups <= maxGroups
	}, testPatience, 1e6)
}

// TestGoAwayDoesNotBlockTheNextConnection uses a long request and a limit that allows only one connection that accepts
// requests.
func TestGoAwayDoesNotBlockTheNextConnection(t *testing.T) {
	hold := make(chan struct{})
	s := serveHosts(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hold":
			_ = http.NewResponseController(w).Flush()
			<-hold
		case "/end":
			w.Header().Set("Connection", "close")
		}
	})
	cfg := sharing(t, nil)
	cfg.MaxPerHost = 1
	c := newClient(t, cfg)
	resp, err := c.Get(t.Context(), s.url("a.example.com")+"hold")
	require.NoError(t, err)
	text(t, c, s.url("a.example.com")+"end")
	require.Eventually(t, func() bool {
		text(t, c, s.url("a.example.com"))
		return s.conns.Load() == 2
	}, testPatience, 1e6)
	close(hold)
	_, err = resp.Text(t.Context())
	require.NoError(t, err)
}
