package coder_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	ws "github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/codec/websocket/coder"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// accept starts a server that passes the connections that library has accepted to f. It returns its URL.
func accept(t *testing.T, opts *ws.AcceptOptions, f func(context.Context, *ws.Conn)) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, opts)
		if err != nil {
			return
		}
		f(r.Context(), c)
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

// echoServer serves an echo by that library, through Duplex.
func echoServer(t *testing.T, mode ws.CompressionMode) string {
	return accept(t, &ws.AcceptOptions{CompressionMode: mode}, func(ctx context.Context, c *ws.Conn) {
		c.SetReadLimit(1 << 20)
		d := coder.Duplex(c)
		_ = pipeline.Connect(ctx, d.In, d.Out)
		_ = d.Close()
	})
}

// ours serves an echo by httpd on net/http.
func ours(t *testing.T, deflate *websocket.Deflate) string {
	cfg := &httpd.UpgradeConfig{}
	cfg.WebSocket.Deflate = deflate
	srv := httptest.NewServer(httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		return pipeline.Connect(ctx, conn.In, conn.Out)
	}, cfg))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

// converse sends messages of many sizes and wants them back.
func converse(t *testing.T, in *chanio.Source[websocket.Message], out *chanio.Sink[websocket.Message]) {
	ctx := within(t)
	for _, n := range []int{0, 1, 125, 126, 1000, 65_535, 65_536, 500_000} {
		for _, m := range []websocket.Message{websocket.Text(strings.Repeat("wéir", n/5)), websocket.Binary(make([]byte, n))} {
			done := make(chan error, 1)
			go func() { done <- out.Send(ctx, m) }()
			got, err := in.Recv(ctx)
			require.NoError(t, err)
			require.NoError(t, <-done)
			require.Equal(t, m.Kind, got.Kind)
			require.True(t, string(m.Data) == string(got.Data), "%d bytes", n)
		}
	}
}

func TestOurClientAndThatServerUnderstandEachOther(t *testing.T) {
	modes := map[ws.CompressionMode]*websocket.Deflate{
		ws.CompressionDisabled: nil, ws.CompressionNoContextTakeover: {}, ws.CompressionContextTakeover: {Takeover: true},
	}
	for mode, deflate := range modes {
		c := httpc.New(nil)
		cfg := &httpc.WebSocketConfig{}
		cfg.WebSocket.Deflate = deflate
		conn, err := c.DialWebSocket(within(t), echoServer(t, mode), cfg)
		require.NoError(t, err)
		require.Equal(t, deflate != nil, conn.Compressed())
		converse(t, conn.In, conn.Out)
		require.NoError(t, conn.Close())
		require.NoError(t, c.Close())
	}
}

func TestThatClientAndOurServerUnderstandEachOther(t *testing.T) {
	modes := map[ws.CompressionMode]*websocket.Deflate{
		ws.CompressionDisabled: nil, ws.CompressionNoContextTakeover: {From: 1}, ws.CompressionContextTakeover: {Takeover: true},
	}
	for mode, deflate := range modes {
		c, _, err := ws.Dial(within(t), ours(t, deflate), &ws.DialOptions{CompressionMode: mode})
		require.NoError(t, err)
		c.SetReadLimit(1 << 20)
		d := coder.Duplex(c)
		converse(t, d.In, d.Out)
		require.NoError(t, d.Close())
	}
}

func TestCloseCodesPass(t *testing.T) {
	cfg := &httpd.UpgradeConfig{}
	srv := httptest.NewServer(httpd.WebSocket(func(_ context.Context, conn *websocket.Conn) error {
		return &websocket.CloseError{Code: 4001, Reason: "over"}
	}, cfg))
	defer srv.Close()
	c, _, err := ws.Dial(within(t), "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	require.NoError(t, err)
	d := coder.Duplex(c)
	_, err = d.In.Recv(within(t))
	var end *websocket.CloseError
	require.ErrorAs(t, err, &end)
	require.Equal(t, websocket.CloseError{Code: 4001, Reason: "over"}, *end)
	require.Error(t, d.Out.Send(within(t), websocket.Text("x")))
}

func TestCancelledRecvKeepsTheConnection(t *testing.T) {
	c, _, err := ws.Dial(within(t), ours(t, nil), nil)
	require.NoError(t, err)
	d := coder.Duplex(c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = d.In.Recv(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, d.Out.Send(within(t), websocket.Text("alive")))
	m, err := d.In.Recv(within(t))
	require.NoError(t, err)
	require.Equal(t, "alive", m.String())
	require.NoError(t, d.Out.Close())
	_, err = d.In.Recv(within(t))
	require.Error(t, err)
	require.NotEqual(t, io.ErrNoProgress, err)
}
