package httpd_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// TestUpgradeWithinAShutdownIsClosedWith1001 has the handler upgrade after the server has started to shut down, and
// receive at once.
func TestUpgradeWithinAShutdownIsClosedWith1001(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"directly": func(h http.Handler) http.Handler { return h },
		"middleware": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) })
		},
	} {
		for _, version := range []string{"HTTP/1", "HTTP/2"} {
			t.Run(name+" "+version, func(t *testing.T) {
				ctx := within(t)
				arrived, told := make(chan struct{}, 1), make(chan struct{})
				h := httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
					_, err := conn.In.Recv(ctx)
					return err
				}, nil)
				ln, err := servers.ListenTCP("127.0.0.1:0", nil)
				require.NoError(t, err)
				srv := httpd.New(wrap(h), &httpd.Config{Hooks: &httpd.Hooks{Began: func(httpd.Access) {
					arrived <- struct{}{}
					<-told
				}}})
				served := make(chan error, 1)
				go func() { served <- srv.ServeListener(context.Background(), ln) }()
				cfg := &httpc.Config{}
				if version == "HTTP/2" {
					cfg.Protocols = new(http.Protocols)
					cfg.Protocols.SetUnencryptedHTTP2(true)
				}
				client := newClient(t, cfg)
				over := make(chan error, 1)
				go func() {
					<-arrived
					go func() { over <- srv.Shutdown(ctx) }()
					for !hasStopped(ctx, ln) {
					}
					close(told)
				}()
				conn, err := client.DialWebSocket(ctx, "ws://"+ln.Addr().String(), nil)
				require.NoError(t, err)
				_, _ = conn.In.Recv(ctx) // until its end
				code, _, ok := conn.CloseStatus()
				require.True(t, ok)
				require.Equal(t, websocket.GoingAway, code)
				require.NoError(t, conn.Close())
				require.NoError(t, <-over)
				require.NoError(t, <-served)
			})
		}
	}
}

// hasStopped reports whether a Listener no longer accepts. Its connections are notified next.
func hasStopped(ctx context.Context, ln *servers.Listener) bool {
	conn, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
	if err != nil {
		return true
	}
	conn.Abort(nil)
	return false
}
