package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestShowAll(t *testing.T) {
	mux := http.NewServeMux()
	var busy atomic.Int32
	mux.HandleFunc("GET /prices", func(w http.ResponseWriter, _ *http.Request) {
		if busy.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // the client asks again
			return
		}
		fmt.Fprint(w, "{\"Cents\":7}\n")
	})
	mux.Handle("GET /upper", httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		return pipeline.Connect(ctx, conn.In, conn.Out)
	}, nil))
	mux.Handle("GET /ticks", httpd.EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
		_, err := events.SendAll(ctx, sse.Event{Data: "1"}, sse.Event{Data: "2"}, sse.Event{Data: "3"})
		return err
	}, nil))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- httpd.New(mux, nil).Serve(ctx, ln) }()
	client := newClient()
	require.NoError(t, showPrices(t.Context(), client, ln.Addr().String()))
	require.Equal(t, int32(2), busy.Load())
	require.NoError(t, shout(t.Context(), client, ln.Addr().String()))
	require.NoError(t, showTicks(t.Context(), client, ln.Addr().String()))
	require.NoError(t, client.Close())
	stop()
	require.NoError(t, <-over)
}
