package httpd_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// A WebSocket is a handler like any other, on any server.
func ExampleWebSocket() {
	srv := httptest.NewServer(httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		return pipeline.Connect(ctx, conn.In, conn.Out)
	}, nil))
	defer srv.Close()
	client := httpc.New(nil)
	defer client.Close()

	ctx := context.Background()
	conn, err := client.DialWebSocket(ctx, strings.Replace(srv.URL, "http", "ws", 1), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = conn.Out.Send(ctx, websocket.Text("hello"))
	m, err := conn.In.Recv(ctx)
	fmt.Println(m, err, conn.Close())
	// Output: hello <nil> <nil>
}

// Upgrade suits handlers that inspect the request before they accept it.
func ExampleUpgrade() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !httpd.IsUpgrade(r) {
			http.Error(w, "Expected a websocket request.", http.StatusBadRequest)
			return
		}
		conn, err := httpd.Upgrade(w, r, &httpd.UpgradeConfig{Origins: []string{"*.example.com"}})
		if err != nil {
			return // the client has received a reply
		}
		defer conn.Close()
		_ = conn.Out.Send(r.Context(), websocket.Text("welcome"))
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 400 Expected a websocket request.
}

// A topic serves any number of clients, each from its last event.
func ExampleServeTopic() {
	topic := sse.NewTopic(&sse.TopicConfig{Epoch: "e"})
	for _, price := range []string{"21", "22", "23"} {
		_, _ = topic.Publish(context.Background(), sse.Event{Data: price})
	}
	_ = topic.Close() // so that the example ends
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Last-Event-ID", "e-1")
	w := httptest.NewRecorder()
	httpd.ServeTopic(topic, nil).ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output:
	// id: e-2
	// data: 22
	//
	// id: e-3
	// data: 23
}
