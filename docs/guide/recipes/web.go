package recipes

import (
	"bytes"
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
		return httpd.NDJSON(prices(ctx)), nil // each line is sent when it is available
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

// NDJSON in a request.

func ingest(store func([]Price) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prices := codec.Decode(httpd.Body(w, r), codec.JSONLines[Price]())
		err := pipeline.ForEach(r.Context(), pipeline.Batch(prices, 100, time.Second), store)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest) // invalid JSON has its offset in err
		}
	})
}

func send(ctx context.Context, url string, prices *chanio.Source[Price]) (status int, err error) {
	resp, err := httpc.Post(ctx, url, httpc.Encoded(prices, codec.JSONLines[Price]()))
	if err != nil {
		return 0, err
	}
	return resp.Status, resp.Close()
}

// Both directions at once over HTTP.

func upper(ctx context.Context, d *chanio.Duplex[[]byte, []byte]) error { // for httpd.Stream
	if err := d.Out.Flush(ctx); err != nil { // sends the head of the reply, for which the client waits
		return err
	}
	return pipeline.Connect(ctx, pipeline.Map(d.In, bytes.ToUpper), d.Out)
}

func converse(ctx context.Context, url string, say *chanio.Source[[]byte]) (*httpc.Response, error) {
	return httpc.Post(ctx, url, httpc.Stream(say)) // returns with the head, while say is still being sent
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
	all, err := httpc.Events(ctx, url, nil) // reconnects, and resumes after the last event
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
