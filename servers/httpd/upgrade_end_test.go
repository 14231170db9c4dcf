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
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/sse"
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
				srv := watch(t, handler)
				client, over := newClient(t, nil), make(chan error, 1)
				var conns []*websocket.Conn
				for range cap(srv.failed) {
					conn, err := client.DialWebSocket(ctx, "ws://"+srv.addr, nil)
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
					if err := <-srv.failed; how != "reset" {
						require.NoError(t, err)
					}
				}
				shutdown()
				require.NoError(t, <-over)
				require.NoError(t, <-srv.served)
				require.Empty(t, srv.log.String())
			})
		}
	}
}

// watched is a Server that keeps what it logs.
type watched struct {
	*httpd.Server
	addr   string
	log    bytes.Buffer
	failed chan error // the errors of up to 20 requests, or nil
	served chan error
}

func watch(t *testing.T, handler http.Handler) *watched {
	w := &watched{failed: make(chan error, 20), served: make(chan error, 1)}
	w.Server = httpd.New(handler, &httpd.Config{
		Logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelWarn})), // a slow Shutdown says so
		Hooks:  &httpd.Hooks{Ended: func(a httpd.Access) { w.failed <- a.Err }},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w.addr = ln.Addr().String()
	go func() { w.served <- w.Serve(context.Background(), ln) }()
	return w
}

// TestClientThatHasGoneIsNotAFailureOfAReply has clients that disconnect within a reply without end.
func TestClientThatHasGoneIsNotAFailureOfAReply(t *testing.T) {
	ticks := func() *chanio.Source[string] {
		return pipeline.Periodically(time.Millisecond, func(time.Time) string { return "tick" })
	}
	for name, handler := range map[string]http.Handler{
		"Reply": httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
			return httpd.NDJSON(ticks()), nil
		}),
		"EventStream": httpd.EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
			return pipeline.Connect(ctx, pipeline.Map(ticks(), func(s string) sse.Event { return sse.Event{Data: s} }), events)
		}, nil),
		"Stream": httpd.Stream(func(ctx context.Context, d *chanio.Duplex[[]byte, []byte]) error {
			return pipeline.Connect(ctx, pipeline.Map(ticks(), func(s string) []byte { return []byte(s) }), d.Out)
		}),
	} {
		for _, version := range []string{"HTTP/1", "HTTP/2"} {
			t.Run(name+" "+version, func(t *testing.T) {
				ctx := within(t)
				srv := watch(t, handler)
				cfg := &httpc.Config{}
				if version == "HTTP/2" {
					cfg.Protocols = new(http.Protocols)
					cfg.Protocols.SetUnencryptedHTTP2(true)
				}
				client := newClient(t, cfg)
				for range cap(srv.failed) {
					resp, err := client.Get(ctx, "http://"+srv.addr)
					require.NoError(t, err)
					_, err = resp.Body.Recv(ctx)
					require.NoError(t, err)
					require.NoError(t, resp.Close())
				}
				for range cap(srv.failed) {
					require.Error(t, <-srv.failed)
				}
				require.NoError(t, srv.Shutdown(ctx))
				require.NoError(t, <-srv.served)
				require.Empty(t, srv.log.String())
			})
		}
	}
}
