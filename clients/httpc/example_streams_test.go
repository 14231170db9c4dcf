package httpc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// A request is retried while the server is busy.
func ExampleRetryPolicy() {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprint(w, "here you are")
	}))
	defer srv.Close()
	ctx := context.Background()
	c := httpc.New(&httpc.Config{Retry: &httpc.RetryPolicy{Tries: 5, First: time.Millisecond}})
	defer c.Close()
	resp, err := c.Get(ctx, srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := resp.Text(ctx)
	fmt.Println(text, err, asked.Load())
	// Output: here you are <nil> 3
}

// Each wait has its own timeout, and the error names the one that expired.
func ExampleTimeoutError() {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	c := httpc.New(&httpc.Config{
		Connect:     clients.Config{Timeout: 30 * time.Second},
		HeadTimeout: 20 * time.Millisecond,
		BodyTimeout: time.Minute,
	})
	defer c.Close()
	_, err := c.Get(context.Background(), srv.URL)
	var late *httpc.TimeoutError
	fmt.Println(errors.As(err, &late), errors.Is(err, os.ErrDeadlineExceeded))
	fmt.Println(late.Phase)
	// Output:
	// true true
	// waiting for the response
}

func ExampleClient_DialWebSocket() {
	srv := httptest.NewServer(httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		texts := websocket.Texts(conn)
		return pipeline.Connect(ctx, pipeline.Map(texts.In, strings.ToUpper), texts.Out)
	}, nil))
	defer srv.Close()
	ctx := context.Background()
	c := httpc.New(nil)
	defer c.Close()
	conn, err := c.DialWebSocket(ctx, "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	texts := websocket.Texts(conn)
	_ = texts.Out.Send(ctx, "hello")
	fmt.Println(texts.In.Recv(ctx))
	fmt.Println(conn.Close())
	// Output:
	// HELLO <nil>
	// <nil>
}

// When the stream ends, the client connects again and resumes.
func ExampleClient_Events() {
	srv := httptest.NewServer(httpd.EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
		_, err := events.SendAll(ctx, sse.Event{Type: "price", Data: "7"}, sse.Event{Type: "price", Data: "8"})
		return err
	}, nil))
	defer srv.Close()
	ctx := context.Background()
	c := httpc.New(nil)
	defer c.Close()
	events, err := c.Events(ctx, srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for e := range pipeline.Take(events, 2).All(ctx) {
		fmt.Println(e.Type, e.Data)
	}
	// Output:
	// price 7
	// price 8
}
