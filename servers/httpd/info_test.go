package httpd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/http2"
)

func TestInfoSaysWhereARequestComesFrom(t *testing.T) {
	infos := make(chan RequestInfo, 8)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), serverKey{}, nil)) // as middleware does
		<-doneOf(r)
		info, ok := Info(r)
		if !ok {
			panic("no info")
		}
		infos <- info
	}), nil)
	before := time.Now()
	nc, in := dial(t, addr)
	for serial := 1; serial <= 2; serial++ {
		_, err := io.WriteString(nc, getLine)
		require.NoError(t, err)
		_, err = http.ReadResponse(in, nil)
		require.NoError(t, err)
		info := <-infos
		require.Equal(t, serial, info.Serial)
		require.Equal(t, "HTTP/1.1", info.Protocol)
		require.Zero(t, info.StreamID)
		require.Equal(t, netip.MustParseAddr("127.0.0.1"), info.Client)
		require.EqualValues(t, serial*len(getLine), info.Conn.BytesIn)
		require.False(t, info.Arrived.Before(before))
		before = info.Arrived
	}
	c := h2conn(t, addr)
	for serial := 1; serial <= 2; serial++ {
		s, err := c.Open(t.Context(), ask2("GET"), true)
		require.NoError(t, err)
		hears(t, s)
		info := <-infos
		require.Equal(t, serial, info.Serial)
		require.EqualValues(t, 2*serial-1, info.StreamID)
		require.Equal(t, "HTTP/2.0", info.Protocol)
	}
	require.Contains(t, rawReply(t, addr, "GET / HTTP/1.0\r\n\r\n"), "200")
	require.Equal(t, "HTTP/1.0", (<-infos).Protocol)
}

// TestConnectionOutlivesItsFirstBillionsOfRequests sets the count to that of a connection which has served them.
func TestConnectionOutlivesItsFirstBillionsOfRequests(t *testing.T) {
	serials := make(chan int, 3)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, _ := Info(r)
		serials <- info.Serial
		if info.Serial == 1 {
			w.(*response).conn.served = 1<<31 - 2
		}
	}), &Config{MaxRequests: 1<<31 - 1})
	replies, ended := talk(t, addr, getLine+getLine, "GET", "GET")
	require.Len(t, replies, 2)
	require.True(t, ended, "the limit")
	require.Equal(t, []int{1, 1<<31 - 1}, []int{<-serials, <-serials})
	addr = start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.(*response).conn.served = 1<<31 - 1 }), nil)
	replies, ended = talk(t, addr, getLine+getLine, "GET", "GET")
	require.Len(t, replies, 2)
	require.False(t, ended)
}

// doneOf calls Done of the request's context, and returns a closed channel.
func doneOf(r *http.Request) <-chan struct{} {
	_ = r.Context().Done()
	closed := make(chan struct{})
	close(closed)
	return closed
}

func TestInfoKnowsOnlyRequestsOfThisPackagesServer(t *testing.T) {
	_, ok := Info(httptest.NewRequest(http.MethodGet, "/", nil))
	require.False(t, ok)
}

func TestInfoOfANativeRequest(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		info := x.Info()
		return x.Reply(200, "", []byte(fmt.Sprint(info.Protocol, " ", info.Serial, " ", info.Client, " ", !info.Arrived.IsZero(), " ", info.Conn.BytesIn)))
	}, &Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	raw := "GET / HTTP/1.0\r\nx-forwarded-for: 192.0.2.9\r\n\r\n"
	for _, addr := range []string{native, over} {
		require.Contains(t, rawReply(t, addr, raw), fmt.Sprintf("\r\n\r\nHTTP/1.0 1 192.0.2.9 true %d", len(raw)))
	}
	require.Contains(t, rawReply(t, start(t, http.NotFoundHandler(), nil), getLine), "404")
}

func TestInfoOfANativeRequestThatHTTPTook(t *testing.T) {
	native, _ := startNative(t, func(_ context.Context, x Exchange) error {
		w, r := x.HTTP()
		info, ok := Info(r)
		_, err := fmt.Fprint(w, ok, info.Serial)
		return err
	}, nil)
	require.Contains(t, rawReply(t, native, getLine), "\r\n\r\ntrue 1")
}

var proxies = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::ffff:172.16.0.0/108"),
}

func TestRightmostUntrustedAddressIsTheClients(t *testing.T) {
	for _, c := range []struct {
		name, remote string
		values       []string
		want         string
	}{
		{"no field", "10.0.0.1:5", nil, "10.0.0.1"},
		{"untrusted peer", "192.0.2.1:5", []string{"192.0.2.2"}, "192.0.2.1"},
		{"one", "10.0.0.1:5", []string{"192.0.2.2"}, "192.0.2.2"},
		{"what is left of it is invented", "10.0.0.1:5", []string{"192.0.2.3, 192.0.2.2"}, "192.0.2.2"},
		{"several proxies", "10.0.0.1:5", []string{"192.0.2.3,192.0.2.2, 10.0.0.3 ,10.0.0.2"}, "192.0.2.2"},
		{"several lines", "10.0.0.1:5", []string{"192.0.2.3", "192.0.2.2", "10.0.0.2"}, "192.0.2.2"},
		{"proxies alone", "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"unknown", "10.0.0.1:5", []string{"192.0.2.2, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"nonsense", "10.0.0.1:5", []string{"192.0.2.2, 1.2.3"}, "10.0.0.1"},
		{"empty elements", "10.0.0.1:5", []string{" , 192.0.2.2,, ", ""}, "192.0.2.2"},
		{"port", "10.0.0.1:5", []string{"192.0.2.2:99"}, "192.0.2.2"},
		{"IPv6", "[2001:db8::1]:5", []string{"2001:db9::2"}, "2001:db9::2"},
		{"IPv6 in brackets", "[2001:db8::1]:5", []string{"[2001:db9::2]"}, "2001:db9::2"},
		{"IPv6 with a port", "[2001:db8::1]:5", []string{"[2001:db9::2]:7"}, "2001:db9::2"},
		{"zone", "[2001:db8::1%eth0]:5", []string{"fe80::1%eth0"}, "fe80::1"},
		{"mapped peer", "[::ffff:10.0.0.1]:5", []string{"::ffff:192.0.2.2"}, "192.0.2.2"},
		{"mapped prefix", "172.16.0.1:5", []string{"192.0.2.2"}, "192.0.2.2"},
		{"Unix socket", "@", []string{"192.0.2.3, 192.0.2.2"}, "192.0.2.2"},
		{"Unix socket, unknown", "@", []string{"_hidden"}, "invalid IP"},
	} {
		s := New(say("x"), &Config{TrustedProxies: proxies})
		require.Equal(t, c.want, s.clientAddr(c.remote, c.values).String(), c.name)
	}
	s := New(say("x"), nil)
	require.Equal(t, "10.0.0.1", s.clientAddr("10.0.0.1:5", []string{"192.0.2.2"}).String(), "nobody is trusted")
	require.False(t, s.clientAddr("@", []string{"192.0.2.2"}).IsValid())
}

func TestForwardedIsReadFromItsEnd(t *testing.T) {
	s := New(say("x"), &Config{TrustedProxies: proxies, ForwardedField: "forwarded"})
	require.Equal(t, "Forwarded", s.cfg.forwardedField())
	for value, want := range map[string]string{
		`for=192.0.2.2`:                              "192.0.2.2",
		`For="192.0.2.2:99";proto=https;by=a`:        "192.0.2.2",
		`proto=https; for="[2001:db9::2]:7"`:         "2001:db9::2",
		`for=192.0.2.3, for=192.0.2.2`:               "192.0.2.2",
		`for=192.0.2.3;by="a,b", for=192.0.2.2`:      "192.0.2.2",
		`for=192.0.2.2;by="a, for=192.0.2.9"`:        "192.0.2.2",
		`for="192.0.2.3, for=192.0.2.2`:              "192.0.2.2", // an odd quote from the client
		`for=192.0.2.2, for=_hidden`:                 "10.0.0.1",
		`for=192.0.2.2, for=unknown;by=10.0.0.2`:     "10.0.0.1",
		`by=192.0.2.2`:                               "10.0.0.1",
		`for=192.0.2.2;for=192.0.2.3`:                "10.0.0.1",
		`for=;for=192.0.2.3`:                         "10.0.0.1",
		`for="";for=192.0.2.3`:                       "10.0.0.1",
		`192.0.2.2`:                                  "10.0.0.1",
		`for=192.0.2.2, for="10.0.0.2",for=10.1.1.1`: "192.0.2.2",

		// What a proxy has quoted, such as a Host, comes from the client and does not count.
		`for=192.0.2.2;host="a;for=192.0.2.9"`:         "192.0.2.2",
		`host="a;for=192.0.2.9;b";for=192.0.2.2`:       "192.0.2.2",
		`for=192.0.2.2;host="a\", for=192.0.2.9;b=\""`: "192.0.2.2",
		`for=192.0.2.2;host="a\\", for=10.0.0.2`:       "192.0.2.2",
		`for=192.0.2.2;host="a\\\", for=192.0.2.9;b"`:  "192.0.2.2",
		`for=192.0.2.9\, for=192.0.2.2`:                "192.0.2.2",
		`for="192.0.2.2:_port"`:                        "192.0.2.2", // RFC 7239 6.3
		`for="[2001:db9::2]:_p.o-r_t"`:                 "2001:db9::2",
		`for="192.0.2.2:_azAZ09"`:                      "192.0.2.2",
		`for="192.0.2.2:_"`:                            "10.0.0.1",
		`for="192.0.2.2:port"`:                         "10.0.0.1",
	} {
		require.Equal(t, want, s.clientAddr("10.0.0.1:5", []string{value}).String(), value)
	}
}

func TestOnlyTheFieldOfTheProxiesIsBelieved(t *testing.T) {
	for field, want := range map[string]string{"": "192.0.2.1", "Forwarded": "192.0.2.2"} {
		addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			info, _ := Info(r)
			_, _ = fmt.Fprint(w, info.Client)
		}), &Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, ForwardedField: field})
		got := rawReply(t, addr, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.2\r\nConnection: close\r\n\r\n")
		require.Contains(t, got, "\r\n\r\n"+want)
	}
}

func TestHostsThatAreNotAllowedAreMisdirected(t *testing.T) {
	cfg := &Config{AllowedHosts: []string{"localhost", "Example.org", "*.example.com", "[::1]", "127.0.0.1", "b:8080"}}
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:99": true, "localhost.": true, "example.org": true, "a.example.com": true, "a.b.example.com:1": true,
		"[::1]": true, "[::1]:80": true, "127.0.0.1:8080": true, "b:8080": true, "b": false, "b:80": false,
		"example.com": false, ".example.com": false, "evilexample.com": false, "localhost.evil": false, "evil": false, "": false,
		"[::2]": false, "127.0.0.2": false,
	} {
		require.Equal(t, want, New(say("x"), cfg).allowsHost(host), host)
	}
	require.True(t, New(say("x"), nil).allowsHost(""))

	native, _ := startNative(t, func(_ context.Context, x Exchange) error { return x.Reply(200, "", nil) }, cfg)
	for _, addr := range []string{start(t, say("x"), cfg), native} {
		require.Equal(t, "HTTP/1.1 200 OK", statusLine(rawReply(t, addr, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")))
		got := rawReply(t, addr, "GET / HTTP/1.1\r\nHost: evil\r\n\r\n"+getLine)
		require.Equal(t, "HTTP/1.1 421 Misdirected Request", statusLine(got))
		require.Equal(t, 1, countReplies(got), "the connection ends")
		require.Equal(t, "HTTP/1.1 421 Misdirected Request", statusLine(rawReply(t, addr, "GET / HTTP/1.0\r\n\r\n")))
		require.Equal(t, "HTTP/1.1 421 Misdirected Request", statusLine(rawReply(t, addr, "GET http://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n")))
		require.Equal(t, "HTTP/1.1 421 Misdirected Request", statusLine(rawReply(t, addr, "OPTIONS * HTTP/1.1\r\nHost: evil\r\n\r\n")))
		require.Equal(t, "HTTP/1.1 501 Not Implemented", statusLine(rawReply(t, addr, "CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n")))
	}
	c := h2conn(t, start(t, say("x"), cfg))
	require.NoError(t, c.AwaitSettings(t.Context()))
	for name, x := range map[string]struct {
		head   []http2.Field
		status int
	}{
		"other":    {ask2("GET"), 421},
		"allowed":  {[]http2.Field{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "localhost"}, {Name: ":path", Value: "/"}}, 200},
		"connect":  {[]http2.Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "evil:443"}}, 501},
		"extended": {append([]http2.Field{{Name: ":protocol", Value: "own"}}, ask2("CONNECT")...), 421},
	} {
		s, err := c.Open(t.Context(), x.head, true)
		require.NoError(t, err, name)
		h, err := s.Head(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, x.status, h.Status, name)
	}
}

func TestServerPrintsItsAddressesAndTransports(t *testing.T) {
	addr, srv := startServer(t, say("x"), nil)
	require.Contains(t, rawReply(t, addr, getLine), "200")
	require.Contains(t, srv.String(), "tcp "+addr)
	require.Equal(t, "httpd: not listening", New(say("x"), nil).String())
}
