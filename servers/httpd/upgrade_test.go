package httpd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// waiting limits what a test waits for. Nothing should take so long.
const waiting = 20 * time.Second

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), waiting)
	t.Cleanup(cancel)
	return ctx
}

// echoes returns a handler that echoes messages.
func echoes(cfg *httpd.UpgradeConfig) http.Handler {
	return httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		return pipeline.Connect(ctx, conn.In, conn.Out)
	}, cfg)
}

// serveOurs serves handler with a Server of httpd and returns its URL without the scheme, and the Server.
func serveOurs(t *testing.T, handler http.Handler) (string, *httpd.Server) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := httpd.New(handler, nil)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		<-served
	})
	return "://" + ln.Addr().String(), srv
}

// environment is a server that a handler runs on.
type environment struct {
	scheme string
	serve  func(t *testing.T, handler http.Handler) string
}

var environments = map[string]environment{
	"httpd": {"ws", func(t *testing.T, h http.Handler) string { url, _ := serveOurs(t, h); return url }},
	"net/http": {"ws", func(t *testing.T, h http.Handler) string {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return strings.TrimPrefix(srv.URL, "http")
	}},
	"net/http with TLS": {"wss", func(t *testing.T, h http.Handler) string {
		srv := httptest.NewTLSServer(h)
		t.Cleanup(srv.Close)
		return strings.TrimPrefix(srv.URL, "https")
	}},
	"middleware": {"ws", func(t *testing.T, h http.Handler) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrapped{w}, r) }))
		t.Cleanup(srv.Close)
		return strings.TrimPrefix(srv.URL, "http")
	}},
}

// wrapped is a ResponseWriter of middleware.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// everywhere runs a test on every server, with a client that trusts its certificate.
func everywhere(t *testing.T, handler http.Handler, f func(t *testing.T, url string, client *httpc.Client)) {
	for name, env := range environments {
		t.Run(name, func(t *testing.T) {
			f(t, env.scheme+env.serve(t, handler), newClient(t, nil))
		})
	}
}

func newClient(t *testing.T, cfg *httpc.Config) *httpc.Client {
	conf := httpc.Config{}
	if cfg != nil {
		conf = *cfg
	}
	conf.Connect.TLS = &clients.TLSConfig{InsecureSkipVerify: true}
	c := httpc.New(&conf)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestWebSocketsEchoOnEveryServer(t *testing.T) {
	server := &websocket.Deflate{}
	cfg := &httpd.UpgradeConfig{Subprotocols: []string{"b", "a"}, Header: http.Header{"X-Own": {"yes"}}}
	cfg.WebSocket.Deflate = server
	everywhere(t, echoes(cfg), func(t *testing.T, url string, client *httpc.Client) {
		for _, deflate := range []*websocket.Deflate{nil, {}} {
			ctx := within(t)
			conf := &httpc.WebSocketConfig{Subprotocols: []string{"a", "b", "c"}}
			conf.WebSocket.Deflate = deflate
			conn, err := client.DialWebSocket(ctx, url, conf)
			require.NoError(t, err)
			require.Equal(t, "b", conn.Subprotocol())
			require.Equal(t, "yes", conn.Handshake().Get("X-Own"))
			require.Equal(t, deflate != nil, conn.Compressed())
			for _, n := range []int{0, 5, 1000, 70_000, 1 << 20} {
				sent := websocket.Text(strings.Repeat("x", n))
				done := make(chan error, 1)
				go func() { done <- conn.Out.Send(ctx, sent) }()
				got, err := conn.In.Recv(ctx)
				require.NoError(t, err)
				require.NoError(t, <-done)
				require.True(t, string(got.Data) == string(sent.Data))
			}
			_, err = conn.Ping(ctx)
			require.NoError(t, err)
			require.NoError(t, conn.CloseWith(1000, "done"))
			code, _, ok := conn.CloseStatus()
			require.True(t, ok)
			require.Equal(t, websocket.NormalClosure, code)
		}
	})
}

func TestHandlersReturnIsTheCloseCode(t *testing.T) {
	var result func() error
	handler := httpd.WebSocket(func(context.Context, *websocket.Conn) error { return result() }, nil)
	everywhere(t, handler, func(t *testing.T, url string, client *httpc.Client) {
		for code, f := range map[websocket.Code]func() error{
			1000: func() error { return nil },
			1011: func() error { return errors.New("broken") },
			4321: func() error { return fmt.Errorf("wrapped: %w", &websocket.CloseError{Code: 4321, Reason: "r"}) },
		} {
			result = f
			conn, err := client.DialWebSocket(within(t), url, nil)
			require.NoError(t, err)
			_, err = conn.In.Recv(within(t))
			require.Error(t, err)
			got, _, ok := conn.CloseStatus()
			require.True(t, ok, err)
			require.Equal(t, code, got)
			_ = conn.Close()
		}
	})
}

func TestPanicOfAHandlerIs1011(t *testing.T) {
	url, _ := serveOurs(t, httpd.WebSocket(func(context.Context, *websocket.Conn) error { panic(http.ErrAbortHandler) }, nil))
	conn, err := newClient(t, nil).DialWebSocket(within(t), "ws"+url, nil)
	require.NoError(t, err)
	_, err = conn.In.Recv(within(t))
	require.Error(t, err)
	code, _, _ := conn.CloseStatus()
	require.Equal(t, websocket.InternalError, code)
	_ = conn.Close()
}

// TestReturnOfAnUpgradingHandlerIs1000 has handlers that call Upgrade and do not close the connection.
func TestReturnOfAnUpgradingHandlerIs1000(t *testing.T) {
	kept := make(chan *websocket.Conn, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, err := httpd.Upgrade(w, r, nil)
		require.NoError(t, err)
	})
	mux.HandleFunc("/detached", func(w http.ResponseWriter, r *http.Request) {
		conn, err := httpd.Upgrade(w, r, nil)
		require.NoError(t, err)
		require.True(t, conn.Detach())
		kept <- conn
	})
	everywhere(t, mux, func(t *testing.T, url string, client *httpc.Client) {
		ctx := within(t)
		conn, err := client.DialWebSocket(ctx, url+"/", nil)
		require.NoError(t, err)
		_, err = conn.In.Recv(ctx)
		require.Equal(t, io.EOF, err)
		require.NoError(t, conn.Close())

		conn, err = client.DialWebSocket(ctx, url+"/detached", nil)
		require.NoError(t, err)
		server := <-kept
		require.NoError(t, server.Out.Send(ctx, websocket.Text("outlives")))
		m, err := conn.In.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "outlives", m.String())
		go func() { _ = conn.Close() }()
		_, err = server.In.Recv(ctx)
		require.Equal(t, io.EOF, err)
		<-server.Done()
		<-conn.Done()
	})
}

const validHead = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

func TestHandshakesAreCheckedAndAnswered(t *testing.T) {
	cases := map[string]struct {
		request string
		status  int
	}{
		"valid":                {validHead, 101},
		"not GET":              {strings.Replace(validHead, "GET", "POST", 1), 405},
		"no upgrade":           {strings.Replace(validHead, "Upgrade: WebSocket\r\n", "", 1), 426},
		"no connection":        {strings.Replace(validHead, "keep-alive, Upgrade", "keep-alive", 1), 426},
		"another version":      {strings.Replace(validHead, "13", "8", 1), 426},
		"no version":           {strings.Replace(validHead, "Sec-WebSocket-Version: 13\r\n", "", 1), 426},
		"no key":               {strings.Replace(validHead, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 1), 400},
		"short key":            {strings.Replace(validHead, "dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 1), 400},
		"two keys":             {validHead + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400},
		"a body":               {validHead + "Content-Length: 5\r\n\r\nhel", 400},
		"a chunked body":       {validHead + "Transfer-Encoding: chunked\r\n\r\n0\r\n", 400},
		"HTTP/1.0":             {strings.Replace(validHead, "HTTP/1.1", "HTTP/1.0", 1), 400},
		"own origin":           {validHead + "Origin: http://A\r\n", 101},
		"other origin":         {validHead + "Origin: http://b\r\n", 403},
		"other port":           {validHead + "Origin: http://a:81\r\n", 403},
		"origin null":          {validHead + "Origin: null\r\n", 403},
		"two origins":          {validHead + "Origin: http://a\r\nOrigin: http://b\r\n", 403},
		"pattern of hosts":     {validHead + "Origin: https://x.example.com\r\n", 101},
		"pattern of an origin": {validHead + "Origin: https://secure.example\r\n", 101},
		"query of an origin":   {validHead + "Origin: https://evil.com?.pages.example\r\n", 403},
		"no origin at all":     {validHead + "Origin: http://%zz\r\n", 403},
		"with another scheme":  {validHead + "Origin: http://secure.example\r\n", 403},
		"suffix of a name":     {validHead + "Origin: https://evil-example.com\r\n", 403},
	}
	cfg := &httpd.UpgradeConfig{Origins: []string{"*.example.com", "https://secure.example", "https://*.pages.example"}}
	handler := echoes(cfg)
	for _, serve := range []func(*testing.T, http.Handler) string{environments["httpd"].serve, environments["net/http"].serve} {
		addr := strings.TrimPrefix(serve(t, handler), "://")
		for name, c := range cases {
			nc, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			_, err = io.WriteString(nc, c.request+"\r\n")
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
			require.NoError(t, err, name)
			require.Equal(t, c.status, resp.StatusCode, name)
			switch c.status {
			case 101:
				require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", resp.Header.Get("Sec-WebSocket-Accept"))
			case 426:
				require.Equal(t, "13", resp.Header.Get("Sec-WebSocket-Version"))
				require.Equal(t, "websocket", resp.Header.Get("Upgrade"))
			}
			require.NoError(t, nc.Close())
		}
	}
}

func TestNoReplyLeavesTheAnswerToTheHandler(t *testing.T) {
	url, _ := serveOurs(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := httpd.Upgrade(w, r, &httpd.UpgradeConfig{NoReply: true})
		var refused *httpd.HandshakeError
		require.ErrorAs(t, err, &refused)
		require.False(t, httpd.IsUpgrade(r))
		http.Error(w, "Expected a websocket request.", http.StatusBadRequest)
	}))
	resp, err := newClient(t, nil).Get(within(t), "http"+url)
	require.NoError(t, err)
	body, err := resp.Text(within(t))
	require.NoError(t, err)
	require.Equal(t, 400, resp.Status)
	require.Equal(t, "Expected a websocket request.\n", body)
}

func TestWriterThatCannotBeHijackedIsSaid(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": websocket.NewKey(),
	} {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	_, err := httpd.Upgrade(w, r, nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "*httptest.ResponseRecorder")
	require.Equal(t, http.StatusNotImplemented, w.Code)
}

// TestFieldsOfTheHandshakeAreNotTakenFromHeaders sets fields that belong to the library, in the spelling of the RFC.
func TestFieldsOfTheHandshakeAreNotTakenFromHeaders(t *testing.T) {
	wrong := http.Header{
		"Sec-WebSocket-Protocol": {"x"}, "Sec-Websocket-Extensions": {"x"}, "sec-websocket-version": {"12"}, "X-Other": {"kept"},
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), wrong)
		w.Header().Set("Sec-WebSocket-Protocol", "y")
		conn, err := httpd.Upgrade(w, r, &httpd.UpgradeConfig{Subprotocols: []string{"chat"}, Header: wrong})
		if err == nil {
			_ = conn.Close() // the client closes too
		}
	})
	everywhere(t, handler, func(t *testing.T, url string, client *httpc.Client) {
		for _, offer := range [][]string{{"chat"}, nil} {
			conn, err := client.DialWebSocket(within(t), url, &httpc.WebSocketConfig{Subprotocols: offer, Header: wrong})
			require.NoError(t, err)
			require.Equal(t, strings.Join(offer, ""), conn.Subprotocol())
			require.Equal(t, "kept", conn.Handshake().Get("X-Other"))
			_ = conn.Close() // the server closes too
		}
	})
}

func TestInvalidFieldsOfAHandlerAreNotSent(t *testing.T) {
	failed := make(chan error, 1)
	url, _ := serveOurs(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := httpd.Upgrade(w, r, &httpd.UpgradeConfig{Header: http.Header{"X-Split": {"a\r\nb"}}})
		failed <- err
	}))
	_, err := newClient(t, nil).DialWebSocket(within(t), "ws"+url, nil)
	var refused *httpc.HandshakeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 500, refused.Status)
	require.Error(t, <-failed)
}

func TestShutdownIs1001AndDrains(t *testing.T) {
	got := make(chan string, 1)
	handler := httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		for {
			m, err := conn.In.Recv(ctx)
			if err != nil {
				return nil
			}
			got <- m.String()
		}
	}, nil)
	shut := func(t *testing.T, url string, shutdown func(context.Context) error) {
		ctx := within(t)
		conn, err := newClient(t, nil).DialWebSocket(ctx, url, nil)
		require.NoError(t, err)
		require.NoError(t, conn.Out.Send(ctx, websocket.Text("first")))
		require.Equal(t, "first", <-got)
		done := make(chan error, 1)
		go func() { done <- shutdown(ctx) }()
		_, err = conn.In.Recv(ctx)
		require.Equal(t, io.EOF, err)
		code, _, _ := conn.CloseStatus()
		require.Equal(t, websocket.GoingAway, code)
		require.NoError(t, conn.Close())
		require.NoError(t, <-done)
	}
	t.Run("httpd", func(t *testing.T) {
		url, srv := serveOurs(t, handler)
		shut(t, "ws"+url, srv.Shutdown)
	})
	t.Run("net/http", func(t *testing.T) {
		var live httpd.Live
		cfg := &httpd.UpgradeConfig{Live: &live}
		srv := httptest.NewServer(httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
			m, err := conn.In.Recv(ctx)
			if err != nil {
				return err
			}
			got <- m.String()
			_, err = conn.In.Recv(ctx)
			return err
		}, cfg))
		defer srv.Close()
		over := make(chan error, 1) // net/http's Shutdown does not wait for registered functions
		srv.Config.RegisterOnShutdown(func() { over <- live.Shutdown(within(t)) })
		shut(t, strings.Replace(srv.URL, "http", "ws", 1), func(ctx context.Context) error {
			return errors.Join(srv.Config.Shutdown(ctx), <-over)
		})
		require.Zero(t, live.Len())
	})
}

func TestDialWebSocketOverAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := servers.ListenUnix(path, nil)
	require.NoError(t, err)
	srv := httpd.New(echoes(nil), nil)
	served := make(chan error, 1)
	go func() { served <- srv.ServeListener(context.Background(), ln) }()
	ctx := within(t)
	conn, err := newClient(t, nil).DialWebSocket(ctx, "ws+unix:"+path+":/chat?a=b", nil)
	require.NoError(t, err)
	require.NoError(t, conn.Out.Send(ctx, websocket.Text("x")))
	_, err = conn.In.Recv(ctx)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, srv.Shutdown(ctx))
	require.NoError(t, <-served)
}

func TestWrongAnswersOfServersAreHandshakeErrors(t *testing.T) {
	answers := map[string]string{
		"no accept":     "",
		"wrong accept":  "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
		"not offered":   "ACCEPTSec-WebSocket-Protocol: x\r\n",
		"extension":     "ACCEPTSec-WebSocket-Extensions: permessage-deflate\r\n",
		"no Connection": "NOCONNECTION",
	}
	for name, answer := range answers {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			defer func() { _ = nc.Close() }()
			r, err := http.ReadRequest(bufio.NewReader(nc))
			if err != nil {
				return
			}
			accept := "Sec-WebSocket-Accept: " + websocket.AcceptKey(r.Header.Get("Sec-WebSocket-Key")) + "\r\n"
			head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			if answer == "NOCONNECTION" {
				head, answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n", "ACCEPT"
			}
			_, _ = io.WriteString(nc, head+strings.Replace(answer, "ACCEPT", accept, 1)+"\r\n")
			_, _ = io.Copy(io.Discard, nc)
		}()
		_, err = newClient(t, nil).DialWebSocket(within(t), "ws://"+ln.Addr().String(), nil)
		require.Error(t, err, name)
		require.NoError(t, ln.Close())
		<-done
	}
}

func TestRefusalKeepsStatusHeaderAndBody(t *testing.T) {
	url, _ := serveOurs(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		w.Header().Set("X-Why", "tired")
		http.Error(w, strings.Repeat("n", 20_000), http.StatusTeapot)
	}))
	c := newClient(t, nil)
	_, err := c.DialWebSocket(within(t), "ws"+url, nil)
	var refused *httpc.HandshakeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 418, refused.Status)
	require.Equal(t, "tired", refused.Header.Get("X-Why"))
	require.Len(t, refused.Body, 16<<10)
	_, err = c.DialWebSocket(within(t), "ws"+url+"/moved", nil)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 302, refused.Status)
	_, err = c.DialWebSocket(within(t), "ws"+url+"/moved", &httpc.WebSocketConfig{MaxRedirects: 1})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 418, refused.Status)
	for _, bad := range []string{"ftp://x", "x", "ws://x/#y"} {
		_, err = c.DialWebSocket(within(t), bad, nil)
		require.Error(t, err)
	}
}

func TestUserInfoAndCookiesGoWithTheHandshake(t *testing.T) {
	url, _ := serveOurs(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		cookie, err := r.Cookie("c")
		if user != "me" || password != "pass:word" || err != nil || cookie.Value != "v" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		echoes(nil).ServeHTTP(w, r)
	}))
	conn, err := newClient(t, nil).DialWebSocket(within(t), "ws"+strings.Replace(url, "://", "://me:pass:word@", 1), &httpc.WebSocketConfig{
		Cookies: []*http.Cookie{{Name: "c", Value: "v"}},
	})
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

func TestWebSocketsReconnect(t *testing.T) {
	url, _ := serveOurs(t, httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		return conn.Out.Send(ctx, websocket.Text("hello"))
	}, nil))
	ctx := within(t)
	conns := newClient(t, nil).WebSockets("ws"+url, nil, &clients.ReconnectConfig{
		Backoff: func(int) time.Duration { return 0 },
	})
	for range 3 {
		conn, err := conns.Recv(ctx)
		require.NoError(t, err)
		m, err := conn.In.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", m.String())
		require.NoError(t, conn.Close())
	}
	require.NoError(t, conns.Close())
	refusing, _ := serveOurs(t, http.NotFoundHandler())
	_, err := newClient(t, nil).WebSockets("ws"+refusing, nil, nil).Recv(ctx)
	var refused *httpc.HandshakeError
	require.ErrorAs(t, err, &refused)
}

func TestTenStringsAreEchoed(t *testing.T) {
	url, _ := serveOurs(t, echoes(nil))
	ctx := within(t)
	conn, err := newClient(t, nil).DialWebSocket(ctx, "ws"+url, nil)
	require.NoError(t, err)
	texts := websocket.Texts(conn)
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprint(i))
	}
	n, err := texts.Out.SendAll(ctx, want...)
	require.NoError(t, err)
	require.Equal(t, 10, n)
	got, err := pipeline.Collect(ctx, pipeline.Take(texts.In, 10))
	require.NoError(t, err)
	require.Equal(t, want, got)
	_ = conn.Close()
}
