package coder_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	ws "github.com/coder/websocket"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/codec/websocket/coder"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// A connection that the library has dialed, as a stream of messages.
func ExampleDuplex() {
	srv := httptest.NewServer(httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		return pipeline.Connect(ctx, conn.In, conn.Out)
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, resp, err := ws.Dial(ctx, srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.StatusCode == http.StatusSwitchingProtocols)
	d := coder.Duplex(c)
	_ = d.Out.Send(ctx, websocket.Text("hello"))
	m, err := d.In.Recv(ctx)
	fmt.Println(m, err, d.Close())
	// Output:
	// true
	// hello <nil> <nil>
}
