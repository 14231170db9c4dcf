package httpd_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// A proxy for connections is one handler. A real one checks who asks for a tunnel, and to which address.
func ExampleTunnel() {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		server, err := clients.DialTCP(r.Context(), r.Host, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer server.Close()
		client, err := httpd.Tunnel(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotImplemented)
			return
		}
		defer client.Close()
		_ = chanio.Relay(context.WithoutCancel(r.Context()), client, server)
	}))
	defer proxy.Close()

	ctx := context.Background()
	echo, err := servers.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer echo.Close()
	go func() {
		_ = echo.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error { return pipeline.Connect(ctx, c.In, c.Out) })
	}()

	conn, err := clients.DialTCP(ctx, echo.Addr().String(), &clients.Config{
		Proxy: &clients.HTTPProxy{Addr: proxy.Listener.Addr().String()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	lines := codec.Frame(conn, codec.Lines)
	_ = lines.Out.Send(ctx, "through the tunnel")
	line, err := lines.In.Recv(ctx)
	fmt.Println(line, err, lines.Close())
	// Output: through the tunnel <nil> <nil>
}

// A value as a reply: its type, its length and, for HEAD, its absence are set.
func ExampleJSON() {
	handler := httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
		return httpd.JSON(map[string]int{"apples": 3}).WithStatus(http.StatusCreated), nil
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"), w.Body)
	// Output: 201 application/json {"apples":3}
}
