package httpd_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// TestEndOfAWebSocketIsNotAFailureOfItsFunction has functions that send and receive until one of the calls fails,
// because the server or the peer ends the connection.
func TestEndOfAWebSocketIsNotAFailureOfItsFunction(t *testing.T) {
	function := httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		texts := websocket.Texts(conn)
		ticks := pipeline.Periodically(time.Millisecond, func(time.Time) string { return "tick" })
		return chanio.Race(ctx,
			func(ctx context.Context) error { return pipeline.Connect(ctx, ticks, texts.Out) },
			func(ctx context.Context) error {
				return pipeline.ForEach(ctx, texts.In, func(string) error { return nil })
			})
	}, nil)
	for name, handler := range map[string]http.Handler{
		"directly":   function,
		"middleware": http.HandlerFunc(function.ServeHTTP),
	} {
		for how, end := range map[string]func(conn *websocket.Conn, shutdown func()){
			"shutdown": func(_ *websocket.Conn, shutdown func()) { shutdown() },
			"close":    func(conn *websocket.Conn, _ func()) { _ = conn.Out.Close() },
			"reset":    func(conn *websocket.Conn, _ func()) { conn.Below().Abort(nil) },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				ctx := within(t)
				var log bytes.Buffer
				failed := make(chan error, 20)
				srv := httpd.New(handler, &httpd.Config{
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
					Hooks:  &httpd.Hooks{Ended: func(a httpd.Access) { failed <- a.Err }},
				})
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				served := make(chan error, 1)
				go func() { served <- srv.Serve(context.Background(), ln) }()
				client, over := newClient(t, nil), make(chan error, 1)
				var conns []*websocket.Conn
				for range cap(failed) {
					conn, err := client.DialWebSocket(ctx, "ws://"+ln.Addr().String(), nil)
					require.NoError(t, err)
					_, err = conn.In.Recv(ctx)
					require.NoError(t, err)
					conns = append(conns, conn)
				}
				begun := false
				shutdown := func() {
					if !begun {
						begun = true
						go func() { over <- srv.Shutdown(ctx) }()
					}
				}
				for _, conn := range conns {
					end(conn, shutdown)
					_ = pipeline.ForEach(ctx, conn.In, func(websocket.Message) error { return nil }) // until its end
					_ = conn.Close()
				}
				for range conns {
					if err := <-failed; how != "reset" {
						require.NoError(t, err)
					}
				}
				shutdown()
				require.NoError(t, <-over)
				require.NoError(t, <-served)
				require.Empty(t, log.String())
			})
		}
	}
}
