package httpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers/httpd"
)

// echoMessages echoes messages.
func echoMessages(ctx context.Context, conn *websocket.Conn) error {
	for m := range conn.In.All(ctx) {
		if err := conn.Out.Send(ctx, m); err != nil {
			return err
		}
	}
	return conn.In.Err()
}

// site echoes the messages of WebSockets at /ws, refuses them at /no, opens tunnels, and otherwise returns the
// protocol.
func site(seen func(r *http.Request)) http.Handler {
	ws := httpd.WebSocket(echoMessages, &httpd.UpgradeConfig{Subprotocols: []string{"chat"}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen != nil {
			seen(r)
		}
		switch {
		case r.URL.Path == "/no":
			w.Header().Set("X-Why", "because")
			http.Error(w, "no", http.StatusForbidden)
		case r.Method == http.MethodConnect && r.Header.Get(":protocol") == "":
			echoTunnel(w, r)
		case r.URL.Path == "/ws":
			ws.ServeHTTP(w, r)
		default:
			_, _ = io.WriteString(w, r.Proto)
		}
	})
}

// echoTunnel echoes the data of a tunnel, and sends "bye" after its end.
func echoTunnel(w http.ResponseWriter, r *http.Request) {
	if r.Host == "no.example:443" {
		w.Header().Set("X-Why", "because")
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	c, err := httpd.Tunnel(w, r)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	for p := range c.In.All(r.Context()) {
		if c.Out.Send(r.Context(), p) != nil {
			return
		}
	}
	if c.In.Err() == nil {
		_ = c.Out.Send(r.Context(), []byte("bye"))
	}
}

// requireEcho sends messages and requires them to be echoed.
func requireEcho(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	for _, text := range []string{"hello", "", httpc.Long(100_000)} {
		require.NoError(t, conn.Out.Send(t.Context(), websocket.Text(text)))
		m, err := conn.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, text, string(m.Data))
	}
}

// TestWebSocketTakesTheVersionThatTheServerOffers checks the transports of a WebSocket as the server sees them.
func TestWebSocketTakesTheVersionThatTheServerOffers(t *testing.T) {
	only2 := new(http.Protocols)
	only2.SetHTTP2(true)
	for name, k := range map[string]struct {
		secure, used, refused bool
		protocols             *http.Protocols
		want                  string
	}{
		"nothing is there yet":       {secure: true, want: "HTTP/1.1"},
		"a connection is there":      {secure: true, used: true, want: "HTTP/2.0"},
		"it does not offer that":     {secure: true, used: true, refused: true, want: "HTTP/1.1"},
		"HTTP/2 alone":               {secure: true, protocols: only2, want: "HTTP/2.0"},
		"HTTP/2 alone, not offered":  {secure: true, protocols: only2, refused: true},
		"plain":                      {used: true, want: "HTTP/1.1"},
		"plain HTTP/2":               {protocols: httpc.H2C(), want: "HTTP/2.0"},
		"plain HTTP/2 that is there": {protocols: httpc.H2C(), used: true, want: "HTTP/2.0"},
		"plain HTTP/2, not offered":  {protocols: httpc.H2C(), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var proto string
			var header http.Header
			base := ours(t, site(func(r *http.Request) {
				if r.URL.Path == "/ws" {
					mu.Lock()
					defer mu.Unlock()
					proto, header = r.Proto, r.Header.Clone()
				}
			}), k.secure, httpd.HTTP2Config{NoConnect: k.refused})
			cfg := &httpc.Config{Protocols: k.protocols}
			scheme := ""
			if k.secure {
				cfg.Connect, scheme = httpc.Trusting(), "s"
			}
			c := httpc.NewTestClient(t, cfg)
			if k.used {
				httpc.TextOf(t, c, "http"+scheme+base)
			}
			conn, err := c.DialWebSocket(t.Context(), "ws"+scheme+base+"/ws?q=1", &httpc.WebSocketConfig{Subprotocols: []string{"chat"}})
			if k.want == "" {
				require.ErrorIs(t, err, errors.ErrUnsupported)
				return
			}
			require.NoError(t, err)
			requireEcho(t, conn)
			require.Equal(t, "chat", conn.Subprotocol())
			mu.Lock()
			require.Equal(t, k.want, proto)
			require.Equal(t, k.want == "HTTP/1.1", header.Get("Sec-WebSocket-Key") != "", "%v", header)
			mu.Unlock()
			httpc.TextOf(t, c, "http"+scheme+base) // concurrently with it
			require.NoError(t, conn.Close())
		})
	}
}

func TestRefusedWebSocketOverHTTP2LeavesTheConnection(t *testing.T) {
	base := ours(t, site(nil), true, httpd.HTTP2Config{})
	c := httpc.NewTestClient(t, &httpc.Config{Connect: httpc.Trusting()})
	httpc.TextOf(t, c, "https"+base)
	for range 3 {
		_, err := c.DialWebSocket(t.Context(), "wss"+base+"/no", nil)
		var refused *httpc.HandshakeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 403, refused.Status)
		require.Equal(t, "because", refused.Header.Get("X-Why"))
		require.Equal(t, "no\n", string(refused.Body))
	}
	httpc.TextOf(t, c, "https"+base)
	require.EqualValues(t, 1, c.Stats()[0].Dials)
	require.Eventually(t, func() bool { return c.Stats()[0].Streams == 0 }, httpc.TestPatience, 1e6)
}

// TestManyWebSocketsShareAConnection ends them one by one, and the rest with the Client.
func TestManyWebSocketsShareAConnection(t *testing.T) {
	base := ours(t, site(nil), true, httpd.HTTP2Config{})
	c := httpc.NewTestClient(t, &httpc.Config{Connect: httpc.Trusting()})
	httpc.TextOf(t, c, "https"+base)
	var conns []*websocket.Conn
	for range 20 {
		conn, err := c.DialWebSocket(t.Context(), "wss"+base+"/ws", nil)
		require.NoError(t, err)
		conns = append(conns, conn)
	}
	for _, conn := range conns[:10] {
		requireEcho(t, conn)
		require.NoError(t, conn.Close())
	}
	httpc.TextOf(t, c, "https"+base)
	require.EqualValues(t, 1, c.Stats()[0].Dials)
	require.NoError(t, c.Close())
	for _, conn := range conns[10:] {
		_, err := conn.In.Recv(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
		_ = conn.Close()
	}
}

// TestCtxOfAHandshakeDoesNotBoundTheWebSocket cancels ctx after the handshake.
func TestCtxOfAHandshakeDoesNotBoundTheWebSocket(t *testing.T) {
	base := ours(t, site(nil), true, httpd.HTTP2Config{})
	c := httpc.NewTestClient(t, &httpc.Config{Connect: httpc.Trusting(), HeadTimeout: httpc.TestPatience})
	httpc.TextOf(t, c, "https"+base)
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := c.DialWebSocket(ctx, "wss"+base+"/ws", nil)
	require.NoError(t, err)
	cancel()
	requireEcho(t, conn)
	c.CloseIdleConnections() // it is not idle
	requireEcho(t, conn)
	require.NoError(t, conn.Close())
}

// TestConnectMakesATunnelOfEitherVersion opens a tunnel through httpd and half-closes it in both directions.
func TestConnectMakesATunnelOfEitherVersion(t *testing.T) {
	for name, k := range map[string]struct {
		scheme string
		cfg    httpc.Config
	}{
		"HTTP/1.1":          {"http", httpc.Config{}},
		"HTTP/2 over TLS":   {"https", httpc.Config{Connect: httpc.Trusting()}},
		"HTTP/2 without it": {"http", httpc.Config{Protocols: httpc.H2C()}},
	} {
		t.Run(name, func(t *testing.T) {
			base := k.scheme + ours(t, site(nil), k.scheme == "https", httpd.HTTP2Config{})
			c := httpc.NewTestClient(t, &k.cfg)
			for range 3 {
				conn, err := c.Connect(t.Context(), base, "a.example:443")
				require.NoError(t, err)
				sent := make(chan error, 1)
				go func() {
					err := conn.Out.Send(t.Context(), []byte(httpc.Long(1<<20)))
					sent <- errors.Join(err, conn.Out.Close())
				}()
				got, err := io.ReadAll(chanio.NewReader(t.Context(), conn.In))
				require.NoError(t, err)
				require.NoError(t, <-sent)
				require.Equal(t, httpc.Long(1<<20)+"bye", string(got))
				require.NoError(t, conn.Close())
				require.NotNil(t, conn.RemoteAddr())
			}
			_, err := c.Connect(t.Context(), base, "no.example:443")
			var refused *httpc.StatusError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, 403, refused.Status)
			require.Equal(t, "because", refused.Header.Get("X-Why"))
			conn, err := c.Connect(t.Context(), base, "a.example:443")
			require.NoError(t, err)
			conn.Abort(nil)
			httpc.TextOf(t, c, base)
		})
	}
}
