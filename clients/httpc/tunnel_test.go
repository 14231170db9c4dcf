package httpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers/httpd"
)

// echoMessages sends back what it gets.
func echoMessages(ctx context.Context, conn *websocket.Conn) error {
	for m := range conn.In.All(ctx) {
		if err := conn.Out.Send(ctx, m); err != nil {
			return err
		}
	}
	return conn.In.Err()
}

// site echoes the messages of WebSockets at /ws, refuses them at /no, makes tunnels, and tells the protocol elsewhere.
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

// echoTunnel sends back what comes through a tunnel, and "bye" behind its end.
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

// requireEcho sends messages and wants them back.
func requireEcho(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	for _, text := range []string{"hello", "", long(100_000)} {
		require.NoError(t, conn.Out.Send(t.Context(), websocket.Text(text)))
		m, err := conn.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, text, string(m.Data))
	}
}

// TestWebSocketTakesTheVersionThatTheServerOffers has the ways to a WebSocket, and how the server sees them.
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
		"plain HTTP/2":               {protocols: h2c(), want: "HTTP/2.0"},
		"plain HTTP/2 that is there": {protocols: h2c(), used: true, want: "HTTP/2.0"},
		"plain HTTP/2, not offered":  {protocols: h2c(), refused: true},
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
			cfg := &Config{Protocols: k.protocols}
			scheme := ""
			if k.secure {
				cfg.Connect, scheme = trusting(), "s"
			}
			c := newClient(t, cfg)
			if k.used {
				text(t, c, "http"+scheme+base)
			}
			conn, err := c.DialWebSocket(t.Context(), "ws"+scheme+base+"/ws?q=1", &WebSocketConfig{Subprotocols: []string{"chat"}})
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
			text(t, c, "http"+scheme+base) // beside it
			require.NoError(t, conn.Close())
		})
	}
}

func TestRefusedWebSocketOverHTTP2LeavesTheConnection(t *testing.T) {
	base := ours(t, site(nil), true, httpd.HTTP2Config{})
	c := newClient(t, &Config{Connect: trusting()})
	text(t, c, "https"+base)
	for range 3 {
		_, err := c.DialWebSocket(t.Context(), "wss"+base+"/no", nil)
		var refused *HandshakeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 403, refused.Status)
		require.Equal(t, "because", refused.Header.Get("X-Why"))
		require.Equal(t, "no\n", string(refused.Body))
	}
	text(t, c, "https"+base)
	require.EqualValues(t, 1, c.Stats()[0].Dials)
	require.Eventually(t, func() bool { return c.Stats()[0].Streams == 0 }, testPatience, 1e6)
}

// TestManyWebSocketsShareAConnection has them end one by one, and the rest with the Client.
func TestManyWebSocketsShareAConnection(t *testing.T) {
	base := ours(t, site(nil), true, httpd.HTTP2Config{})
	c := newClient(t, &Config{Connect: trusting()})
	text(t, c, "https"+base)
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
	text(t, c, "https"+base)
	require.EqualValues(t, 1, c.Stats()[0].Dials)
	require.NoError(t, c.Close())
	for _, conn := range conns[10:] {
		_, err := conn.In.Recv(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
		_ = conn.Close()
	}
}

// TestCtxOfAHandshakeDoesNotBoundTheWebSocket cancels it when the WebSocket is there.
func TestCtxOfAHandshakeDoesNotBoundTheWebSocket(t *testing.T) {
	base := ours(t, site(nil), true, httpd.HTTP2Config{})
	c := newClient(t, &Config{Connect: trusting(), HeadTimeout: testPatience})
	text(t, c, "https"+base)
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := c.DialWebSocket(ctx, "wss"+base+"/ws", nil)
	require.NoError(t, err)
	cancel()
	requireEcho(t, conn)
	c.CloseIdleConnections() // it is not idle
	requireEcho(t, conn)
	require.NoError(t, conn.Close())
}

// TestConnectMakesATunnelOfEitherVersion has a tunnel through httpd, with half-close in both directions.
func TestConnectMakesATunnelOfEitherVersion(t *testing.T) {
	for name, k := range map[string]struct {
		scheme string
		cfg    Config
	}{
		"HTTP/1.1":          {"http", Config{}},
		"HTTP/2 over TLS":   {"https", Config{Connect: trusting()}},
		"HTTP/2 without it": {"http", Config{Protocols: h2c()}},
	} {
		t.Run(name, func(t *testing.T) {
			base := k.scheme + ours(t, site(nil), k.scheme == "https", httpd.HTTP2Config{})
			c := newClient(t, &k.cfg)
			for range 3 {
				conn, err := c.Connect(t.Context(), base, "a.example:443")
				require.NoError(t, err)
				sent := make(chan error, 1)
				go func() {
					err := conn.Out.Send(t.Context(), []byte(long(1<<20)))
					sent <- errors.Join(err, conn.Out.Close())
				}()
				got, err := io.ReadAll(chanio.NewReader(t.Context(), conn.In))
				require.NoError(t, err)
				require.NoError(t, <-sent)
				require.Equal(t, long(1<<20)+"bye", string(got))
				require.NoError(t, conn.Close())
				require.NotNil(t, conn.RemoteAddr())
			}
			_, err := c.Connect(t.Context(), base, "no.example:443")
			var refused *StatusError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, 403, refused.Status)
			require.Equal(t, "because", refused.Header.Get("X-Why"))
			conn, err := c.Connect(t.Context(), base, "a.example:443")
			require.NoError(t, err)
			conn.Abort(nil)
			text(t, c, base)
		})
	}
}

// rawFrames is a server of HTTP/2 that offers extended CONNECT and tells the test what it gets, frame by frame.
func rawFrames(t *testing.T, answer func(f *frames.Framer, frame frames.Frame, fields []hpack.HeaderField)) *rawServer {
	return raw(t, func(nc net.Conn, in *bufio.Reader) {
		if _, err := io.ReadFull(in, make([]byte, len(frames.ClientPreface))); err != nil {
			return
		}
		f := frames.NewFramer(nc, in)
		_ = f.WriteSettings(frames.Setting{ID: frames.SettingEnableConnectProtocol, Val: 1})
		dec := hpack.NewDecoder(4096, nil)
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			var fields []hpack.HeaderField
			if h, ok := frame.(*frames.HeadersFrame); ok {
				fields, _ = dec.DecodeFull(h.HeaderBlockFragment())
			}
			answer(f, frame, fields)
		}
	})
}

func writeHead(f *frames.Framer, id uint32, end bool, fields ...string) {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = f.WriteHeaders(frames.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: end})
}

// headers returns the fields as text, without that of the agent.
func headers(fields []hpack.HeaderField) (text string) {
	for _, f := range fields {
		if f.Name != "user-agent" {
			text += f.Name + "=" + f.Value + " "
		}
	}
	return strings.TrimSpace(text)
}

// TestTunnelOnTheWire wants the header lists of RFC 9113 8.5 and RFC 8441 4, no END_STREAM with them, and the ends of a
// tunnel as frames.
func TestTunnelOnTheWire(t *testing.T) {
	got := make(chan string, 100)
	s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, fields []hpack.HeaderField) {
		switch frame := frame.(type) {
		case *frames.HeadersFrame:
			got <- headers(fields)
			if frame.StreamEnded() {
				got <- "END"
			}
			writeHead(f, frame.StreamID, false, ":status", "200", "content-length", "3") // which says nothing
			_ = f.WriteData(frame.StreamID, false, []byte("first"))
		case *frames.DataFrame:
			if len(frame.Data()) > 0 {
				got <- string(frame.Data())
			}
			if frame.StreamEnded() {
				got <- "END"
			}
		case *frames.RSTStreamFrame:
			got <- frame.ErrCode.String()
		}
	})
	c := newClient(t, &Config{Protocols: h2c()})
	conn, err := c.Connect(t.Context(), s.url, "a.example:443")
	require.NoError(t, err)
	require.Equal(t, ":method=CONNECT :authority=a.example:443", <-got)
	p, err := conn.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "first", string(p))
	require.NoError(t, conn.Out.Send(t.Context(), []byte("hello")))
	require.Equal(t, "hello", <-got)
	require.NoError(t, conn.Out.Close())
	require.Equal(t, "END", <-got)
	conn.Abort(nil)
	require.Equal(t, "CANCEL", <-got)

	ws, err := c.DialWebSocket(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/chat?a=1",
		&WebSocketConfig{Subprotocols: []string{"x"}, Header: http.Header{"Origin": {"http://a"}}})
	require.NoError(t, err)
	require.Equal(t, ":method=CONNECT :protocol=websocket :scheme=http :authority="+strings.TrimPrefix(s.url, "http://")+
		" :path=/chat?a=1 accept-encoding=gzip origin=http://a sec-websocket-protocol=x sec-websocket-version=13", sorted(<-got))
	ws.Abort(nil)
	require.Equal(t, "CANCEL", <-got)
	require.Equal(t, 1, s.accepted())
}

// sorted has the last field of the request among the others, which are in order.
func sorted(text string) string {
	const gzip = " accept-encoding=gzip"
	if rest, ok := strings.CutSuffix(text, gzip); ok {
		return strings.Replace(rest, " origin=", gzip+" origin=", 1)
	}
	return text
}

// TestAnswersToAnExtendedConnect are those that make no WebSocket. The stream is over after each.
func TestAnswersToAnExtendedConnect(t *testing.T) {
	for name, k := range map[string]struct {
		fields []string
		want   string
	}{
		"subprotocol nobody offered": {[]string{":status", "200", "sec-websocket-protocol", "y"}, "was not offered"},
		"extension nobody offered":   {[]string{":status", "200", "sec-websocket-extensions", "permessage-deflate"}, "status 200"},
		"no":                         {[]string{":status", "404"}, "status 404"},
		"101":                        {[]string{":status", "101"}, "PROTOCOL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			over := make(chan struct{}, 1)
			s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, _ []hpack.HeaderField) {
				switch frame := frame.(type) {
				case *frames.HeadersFrame:
					writeHead(f, frame.StreamID, k.fields[1] == "404", k.fields...)
				case *frames.RSTStreamFrame:
					over <- struct{}{}
				}
			})
			c := newClient(t, &Config{Protocols: h2c()})
			_, err := c.DialWebSocket(t.Context(), "ws"+strings.TrimPrefix(s.url, "http"), nil)
			require.ErrorContains(t, err, k.want)
			<-over
		})
	}
}

// TestWebSocketEndsWithItsConnection has a GOAWAY that excludes the stream of the first handshake, which is made again, and
// a connection that breaks.
func TestWebSocketEndsWithItsConnection(t *testing.T) {
	n := 0
	s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, _ []hpack.HeaderField) {
		if h, ok := frame.(*frames.HeadersFrame); ok {
			if n++; n == 1 {
				_ = f.WriteGoAway(0, frames.ErrCodeNo, nil)
				return
			}
			writeHead(f, h.StreamID, false, ":status", "200")
			_ = f.WriteGoAway(h.StreamID, frames.ErrCodeInternal, []byte("broken"))
		}
		if d, ok := frame.(*frames.DataFrame); ok {
			_ = f.WriteRSTStream(d.StreamID, frames.ErrCodeCancel)
		}
	})
	c := newClient(t, &Config{Protocols: h2c()})
	conn, err := c.DialWebSocket(t.Context(), "ws"+strings.TrimPrefix(s.url, "http"), nil)
	require.NoError(t, err)
	require.Equal(t, 2, s.accepted())
	_ = conn.Out.Send(t.Context(), websocket.Text("x"))
	_, err = conn.In.Recv(t.Context())
	require.Error(t, err)
	_ = conn.Close()
	require.Eventually(t, func() bool { return c.Stats()[0].Open == 0 }, testPatience, 1e6)
}
