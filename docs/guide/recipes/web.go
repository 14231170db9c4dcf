package recipes

import (
	"context"
	"net/http"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
	"github.com/weir-go/weir/servers/httpd"
)

type Price struct{ Cents int }

// NDJSON over HTTP.

func pricesHandler(prices func(ctx context.Context) *chanio.Source[Price]) http.Handler {
	return httpd.Reply(func(ctx context.Context, _ *http.Request) (httpd.Response, error) {
		return httpd.NDJSON(prices(ctx)), nil // each line leaves when it comes
	})
}

func readPrices(ctx context.Context, url string) ([]Price, error) {
	resp, err := httpc.Get(ctx, url)
	if err != nil {
		return nil, err
	}
	defer resp.Close()
	return pipeline.Collect(ctx, codec.Decode(resp.Body, codec.JSONLines[Price]()))
}

// Server-sent events.

func publish(ctx context.Context, topic *sse.Topic, values *chanio.Source[string]) error {
	return pipeline.ForEach(ctx, values, func(v string) error {
		_, err := topic.Publish(ctx, sse.Event{Data: v})
		return err
	})
}

func events(topic *sse.Topic) http.Handler {
	return httpd.ServeTopic(topic, &httpd.EventsConfig{Heartbeat: 10 * time.Second})
}

func listenTo(ctx context.Context, url string) (*chanio.Source[string], error) {
	all, err := httpc.Events(ctx, url, nil) // connects again, and resumes behind the last event
	if err != nil {
		return nil, err
	}
	return pipeline.Map(all, func(e sse.Event) string { return e.Data }), nil
}

// A WebSocket broadcast.

func broadcast(messages *bus.Bus[string, websocket.Message]) http.Handler {
	return httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		leave, err := messages.Attach(ctx, "all", conn.Out, nil) // a slow member loses its oldest messages
		if err != nil {
			return err
		}
		defer leave()
		return pipeline.ForEach(ctx, conn.In, func(websocket.Message) error { return nil })
	}, nil)
}

func announce(ctx context.Context, messages *bus.Bus[string, websocket.Message], text string) error {
	m, err := websocket.Prepare(websocket.Text(text)) // encoded once for all
	if err == nil {
		_, err = messages.Publish(ctx, "all", m)
	}
	return err
}
