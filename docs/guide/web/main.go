// A web server with a streaming reply, a WebSocket, Server-Sent Events and an orderly end.
package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.Println(httpd.ListenAndServe(ctx, "localhost:8080", routes(), &httpd.Config{
		Logger:          slog.Default(),
		ShutdownTimeout: 10 * time.Second, // for requests in progress when ctx ends
	}))
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /prices", httpd.Reply(prices))
	mux.Handle("GET /upper", httpd.WebSocket(upper, nil))
	mux.Handle("GET /ticks", httpd.EventStream(ticks, nil))
	return mux
}

// Price is the current price of something.
type Price struct{ Cents int }

// prices replies with ten prices, one JSON value per line, as they become available.
func prices(_ context.Context, r *http.Request) (httpd.Response, error) {
	cents := 100
	all := pipeline.Periodically(100*time.Millisecond, func(time.Time) Price {
		cents++
		return Price{cents}
	})
	return httpd.NDJSON(pipeline.Take(all, 10)), nil
}

// upper sends each text back in capitals.
func upper(ctx context.Context, conn *websocket.Conn) error {
	texts := websocket.Texts(conn)
	return pipeline.Connect(ctx, pipeline.Map(texts.In, strings.ToUpper), texts.Out)
}

// ticks sends the time every second.
func ticks(ctx context.Context, events *chanio.Sink[sse.Event]) error {
	return pipeline.Connect(ctx, pipeline.Periodically(time.Second, tick), events)
}

func tick(at time.Time) sse.Event {
	return sse.Event{Type: "tick", Data: at.Format(time.TimeOnly)}
}
