// Ticker sends a price every second as Server-Sent Events. A client that reconnects gets the events it missed, or
// learns that it has missed too many.
//
//	go run ./docs/examples/ticker -addr localhost:7082
//	curl -N localhost:7082/prices
//	curl -N -H "Last-Event-ID: $ID" localhost:7082/prices
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

func main() {
	addr := flag.String("addr", "localhost:7082", "listen on `host:port`")
	every := flag.Duration("every", time.Second, "`time` between two prices")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *every, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string, every time.Duration, out io.Writer) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "listening on", ln.Addr())
	prices := sse.NewTopic(&sse.TopicConfig{Ring: 100})
	defer prices.Close()
	published := make(chan error, 1)
	ticking, stop := context.WithCancel(ctx)
	go func() { published <- tick(ticking, prices, every) }()
	srv := httpd.New(handler(prices), &httpd.Config{Logger: slog.Default()})
	err = srv.Serve(ctx, ln)
	stop()
	<-published
	return err
}

// handler serves the prices.
func handler(prices *sse.Topic) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /prices", httpd.ServeTopic(prices, &httpd.EventsConfig{
		Retry: time.Second, Goodbye: sse.Event{Type: "closing"},
	}))
	return mux
}

// tick publishes prices until ctx ends.
func tick(ctx context.Context, prices *sse.Topic, every time.Duration) error {
	price := 100.0
	ticks := pipeline.Periodically(every, func(time.Time) float64 {
		price += rand.Float64() - 0.5
		return price
	})
	return pipeline.ForEach(ctx, ticks, func(p float64) error {
		_, err := prices.Publish(ctx, sse.Event{Type: "price", Data: fmt.Sprintf("%.2f", p)})
		return err
	})
}
