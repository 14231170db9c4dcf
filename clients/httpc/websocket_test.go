package httpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec/websocket"
)

// echoSockets echoes each message and the close of the client.
func echoSockets(w http.ResponseWriter, r *http.Request) {
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", websocket.AcceptKey(r.Header.Get("Sec-WebSocket-Key")))
	prefix, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	conn := websocket.NewConn(chanio.NewConn(nc, &chanio.ConnConfig{Prefix: prefix}), nil)
	defer conn.Close()
	for m := range conn.In.All(context.Background()) {
		if conn.Out.Send(context.Background(), m) != nil {
			return
		}
	}
}

// serveUnix serves handler on a Unix socket, with TLS if secure is not nil, and returns its path.
func serveUnix(t *testing.T, handler http.HandlerFunc, secure *tls.Config) string {
	path := filepath.Join(t.TempDir(), "s.sock")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	srv := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(ln) }() // returns after Close
	t.Cleanup(func() { _ = srv.Close() })
	return path
}

// TestWebSocketsGoTheWayOfEveryRequest uses proxies, TLS, resolvers and Unix sockets.
func TestWebSocketsGoTheWayOfEveryRequest(t *testing.T) {
	plain := strings.TrimPrefix(serve(t, echoSockets), "http://")
	secure := strings.TrimPrefix(serveTLS(t, echoSockets), "https://")
	_, plainPort, err := net.SplitHostPort(plain)
	require.NoError(t, err)
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	static, err := clients.NewStaticResolver(map[string][]string{"a.example": {"127.0.0.1"}})
	require.NoError(t, err)
	httpProxy, httpsProxy := startProxy(t, false), startProxy(t, true)
	socks, asked := startSOCKS(t, plain)
	toSecure, askedSecure := startSOCKS(t, secure)
	believes := trusting()
	for name, c := range map[string]struct {
		url string
		cfg Config
		ask func(t *testing.T) string // what the proxy was asked
		say string
	}{
		"ws":               {url: "ws://" + plain},
		"wss":              {url: "wss://" + secure},
		"a resolver":       {url: "ws://a.example:" + plainPort, cfg: Config{Connect: clients.Config{Resolver: static}}},
		"ws+unix":          {url: "ws+unix:" + serveUnix(t, echoSockets, nil) + ":/path"},
		"wss+unix":         {url: "wss+unix:" + serveUnix(t, echoSockets, cert.TLS) + ":/path", cfg: Config{Connect: clients.Config{TLS: &clients.TLSConfig{RootCAs: believes.TLS.RootCAs, ServerName: "example.com"}}}},
		"an HTTP proxy":    {url: "ws://" + plain, cfg: Config{Proxy: via(t, httpProxy.url)}, ask: httpProxy.last, say: "CONNECT " + plain},
		"TLS in a proxy":   {url: "wss://" + secure, cfg: Config{Proxy: via(t, httpProxy.url)}, ask: httpProxy.last, say: "CONNECT " + secure},
		"a proxy over TLS": {url: "wss://" + secure, cfg: Config{Proxy: via(t, httpsProxy.url), ProxyTLS: believes.TLS}, ask: httpsProxy.last, say: "CONNECT " + secure},
		"SOCKS 5": {url: "ws://a.example:81", cfg: Config{Proxy: via(t, "socks5://"+socks)},
			ask: func(*testing.T) string { return <-asked }, say: "5 a.example:81"},
		"SOCKS 4a": {url: "ws://a.example:82", cfg: Config{Proxy: via(t, "socks4a://me@"+socks)},
			ask: func(*testing.T) string { return <-asked }, say: "4 me a.example:82"},
		"TLS in SOCKS 5": {url: "wss://example.com:83", cfg: Config{Proxy: via(t, "socks5h://"+toSecure)},
			ask: func(*testing.T) string { return <-askedSecure }, say: "5 example.com:83"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.cfg
			if cfg.Connect.TLS == nil {
				cfg.Connect.TLS = believes.TLS
			}
			conn, err := newClient(t, &cfg).DialWebSocket(t.Context(), c.url, nil)
			require.NoError(t, err)
			for _, want := range []string{"hello", strings.Repeat("long ", 4000)} {
				require.NoError(t, conn.Out.Send(t.Context(), websocket.Text(want)))
				m, err := conn.In.Recv(t.Context())
				require.NoError(t, err)
				require.True(t, m.String() == want)
			}
			require.NoError(t, conn.CloseWith(websocket.GoingAway, "done"))
			code, _, _ := conn.CloseStatus()
			require.Equal(t, websocket.GoingAway, code)
			if c.ask != nil {
				require.Equal(t, c.say, c.ask(t))
			}
		})
	}
}

// last returns the first two words of the last request to the proxy.
func (p *proxy) last(t *testing.T) string {
	require.NotEmpty(t, p.seen)
	words := strings.Fields(p.seen[len(p.seen)-1])
	return words[0] + " " + words[1]
}

// TestProxyThatRefusesAWebSocketSaysWhy checks the status in the error.
func TestProxyThatRefusesAWebSocketSaysWhy(t *testing.T) {
	p := startProxy(t, false)
	_, err := newClient(t, &Config{Proxy: via(t, p.url)}).DialWebSocket(t.Context(), "wss://refused.example/", nil)
	var refused *clients.ProxyError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusForbidden, refused.Code)
}

// TestSubprotocolsThatCannotBeOfferedAreErrors uses lists that a server would misread, or that RFC 6455 4.1 forbids.
func TestSubprotocolsThatCannotBeOfferedAreErrors(t *testing.T) {
	c := newClient(t, &Config{Dial: func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) {
		t.Error("something was dialled")
		return nil, io.ErrClosedPipe
	}})
	for _, names := range [][]string{
		{""}, {"a b"}, {"a, b"}, {"a,b"}, {"a;b"}, {"(a)"}, {`"a"`}, {"a/b"}, {"a\r\nX: y"}, {"\u00e4"}, {"a", "a"}, {"a", ""}, {"a\x7f"}, {" a"},
	} {
		_, err := c.DialWebSocket(t.Context(), "ws://127.0.0.1:1/", &WebSocketConfig{Subprotocols: names})
		require.ErrorContains(t, err, "subprotocol", "%q", names)
	}
}

// TestRefusalsThatArePermanent lists the statuses after which a WebSocket is not tried again.
func TestRefusalsThatArePermanent(t *testing.T) {
	for status, want := range map[int]bool{
		200: false, 301: false, 399: false, 400: true, 401: true, 404: true, 408: false, 425: false, 429: false, 499: true, 500: false, 503: false,
	} {
		require.Equal(t, want, isPermanent(&HandshakeError{Status: status}), status)
	}
	require.False(t, isPermanent(io.ErrUnexpectedEOF))
}

// TestFailuresThatNoAttemptCanMendEndWebSockets also has StatusErrors, which do not apply.
func TestFailuresThatNoAttemptCanMendEndWebSockets(t *testing.T) {
	asked := 0
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusNotFound)
	})
	c := New(&Config{StatusErrors: true})
	_, err := c.DialWebSocket(t.Context(), url, nil)
	var refused *HandshakeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 404, refused.Status)
	require.ErrorContains(t, err, url)

	again := &clients.ReconnectConfig{MaxAttempts: 5, Backoff: atOnce}
	_, err = c.WebSockets(url, nil, again).Recv(t.Context())
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 2, asked)

	_, err = c.WebSockets("gopher:x", nil, again).Recv(t.Context())
	require.ErrorContains(t, err, "begins with ws")
	require.NotContains(t, err.Error(), "gave up")

	require.NoError(t, c.Close())
	_, err = c.WebSockets(url, nil, again).Recv(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	require.NotContains(t, err.Error(), "gave up")
}
