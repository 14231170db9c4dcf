package httpd_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers/httpd"
)

// serveWith is serveOurs with a Config.
func serveWith(t *testing.T, handler http.Handler, cfg *httpd.Config) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := httpd.New(handler, cfg)
	served := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { served <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	return "://" + ln.Addr().String()
}

// TestWebSocketCountsAsARequestUntilItIsOver tests every goroutine in which its function runs.
func TestWebSocketCountsAsARequestUntilItIsOver(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"directly": func(h http.Handler) http.Handler { return h },
		"mux": func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("GET /", h)
			return mux
		},
		"middleware": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := serveWith(t, wrap(echoes(nil)), &httpd.Config{MaxConcurrent: 1})
			client, ctx := newClient(t, nil), within(t)
			first, err := client.DialWebSocket(ctx, "ws"+url, nil)
			require.NoError(t, err)
			require.NoError(t, first.Out.Send(ctx, websocket.Text("x")))
			_, err = first.In.Recv(ctx)
			require.NoError(t, err)
			_, err = client.DialWebSocket(ctx, "ws"+url, nil)
			var refused *httpc.HandshakeError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, http.StatusServiceUnavailable, refused.Status)
			require.NoError(t, first.Close())
			for err != nil { // the server may not have noticed yet
				var second *websocket.Conn
				if second, err = client.DialWebSocket(ctx, "ws"+url, nil); err == nil {
					require.NoError(t, second.Close())
				}
				require.NoError(t, ctx.Err())
			}
		})
	}
}

// TestHandlerReturnsWhenTheConnectionIsOver tests what middleware around it relies on.
func TestHandlerReturnsWhenTheConnectionIsOver(t *testing.T) {
	over := make(chan bool, 1)
	var conn *websocket.Conn
	inner := httpd.WebSocket(func(_ context.Context, c *websocket.Conn) error {
		conn = c
		return nil
	}, nil)
	url := serveWith(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		select {
		case <-conn.Done():
			over <- true
		default:
			over <- false
		}
	}), nil)
	client, err := newClient(t, nil).DialWebSocket(within(t), "ws"+url, nil)
	require.NoError(t, err)
	require.NoError(t, client.Close())
	require.True(t, <-over)
}

type connKey struct{}

// TestContextOfAWebSocketHasTheValuesOfItsConnectionAndEndsWithIt tests the form that runs without the request.
func TestContextOfAWebSocketHasTheValuesOfItsConnectionAndEndsWithIt(t *testing.T) {
	ended := make(chan error, 1)
	handler := httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		if ctx.Value(connKey{}) != "value" || ctx.Value(http.ServerContextKey) == nil || ctx.Err() != nil {
			return errors.New("the values of the connection are missing")
		}
		if conn.Handshake().Get("Upgrade") == "" {
			return errors.New("the header is missing")
		}
		if err := conn.Out.Send(ctx, websocket.Text("well")); err != nil {
			return err
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil
	}, nil)
	url := serveWith(t, handler, &httpd.Config{ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, "value")
	}})
	ctx := within(t)
	conn, err := newClient(t, nil).DialWebSocket(ctx, "ws"+url, nil)
	require.NoError(t, err)
	m, err := conn.In.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "well", m.String())
	require.NoError(t, conn.Close())
	require.ErrorIs(t, <-ended, context.Canceled)
}
