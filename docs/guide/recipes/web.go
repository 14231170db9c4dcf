package recipes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

type Price struct{ Cents int }

// JSON in and out.

type Item struct {
	Name  string
	Count int
}

func tally(_ context.Context, r *http.Request) (httpd.Response, error) { // for httpd.Reply
	var items []Item
	if err := json.NewDecoder(r.Body).Decode(&items); err != nil {
		return httpd.Response{}, &httpd.RequestError{Status: http.StatusBadRequest, Err: err}
	}
	sum := Item{Name: "total"}
	for _, item := range items {
		sum.Count += item.Count
	}
	return httpd.JSON(sum).WithStatus(http.StatusCreated), nil
}

func askTally(ctx context.Context, url string, items []Item) (sum Item, err error) {
	resp, err := httpc.Post(ctx, url, httpc.JSON(items))
	if err != nil {
		return sum, err
	}
	defer resp.Close()
	if !resp.OK() {
		return sum, fmt.Errorf("status %d", resp.Status)
	}
	err = resp.Into(ctx, &sum)
	return sum, err
}

// Uploads.

func uploads(store func(ctx context.Context, name string, content *chanio.Source[[]byte]) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts, err := httpd.Multipart(w, r, nil)
		if err == nil {
			err = pipeline.ForEach(r.Context(), parts, func(part *httpd.Part) error {
				defer part.Release()
				if part.FileName == "" {
					return nil // a field of the form: part.Name and part.Text
				}
				return store(r.Context(), part.FileName, part.Source) // receives the file as it arrives
			})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
}

func upload(ctx context.Context, url, path string) (status int, err error) {
	resp, err := httpc.Post(ctx, url, httpc.Multipart(httpc.Field("note", "hello"), httpc.FilePart("file", path)))
	if err != nil {
		return 0, err
	}
	return resp.Status, resp.Close()
}

// An HTTP client with retries and a proxy.

func newAgent(proxy *url.URL) *httpc.Client {
	return httpc.New(&httpc.Config{
		Connect:     clients.Config{Timeout: 5 * time.Second}, // looking up the name, connecting, TLS
		HeadTimeout: 10 * time.Second,                         // of each attempt
		Timeout:     time.Minute,                              // of all attempts, with the body
		Retry:       &httpc.RetryPolicy{Tries: 4},             // after network errors, timeouts, 429, 502, 503, 504
		Proxy:       http.ProxyURL(proxy),                     // nil means HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	})
}

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

// Events that were missed, and the end of events.

func mirror(ctx context.Context, url string, reload func(context.Context) error, apply func(sse.Event)) error {
	events, err := httpc.Events(ctx, url, nil)
	if err != nil {
		return err
	}
	defer events.Close()
	for e, err := range events.Values(ctx) {
		switch {
		case err != nil:
			return err
		case e.Type == "stale" || e.Type == "lost": // some events will not come again
			if err := reload(ctx); err != nil {
				return err
			}
		default:
			apply(e)
		}
	}
	return nil // the server has replied with 204
}

func eventsUntil(over <-chan struct{}, topic *sse.Topic) http.Handler {
	live := httpd.ServeTopic(topic, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
			w.WriteHeader(http.StatusNoContent) // browsers and other clients stop reconnecting
		default:
			live.ServeHTTP(w, r)
		}
	})
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

// The path of a WebSocket.

func roomsOf(visit func(ctx context.Context, room string, conn *websocket.Conn) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		room := r.PathValue("room")
		httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
			return visit(ctx, room, conn)
		}, nil).ServeHTTP(w, r)
	})
}

// HTTPS.

func secured(certFile, keyFile string, access *slog.Logger, hosts ...string) *httpd.Config {
	return &httpd.Config{
		Listen:       servers.Config{TLS: &servers.TLSConfig{CertFile: certFile, KeyFile: keyFile}},
		AllowedHosts: hosts, // other hosts are answered 421
		Hooks:        &httpd.Hooks{Ended: httpd.AccessLog(access)},
	}
}

// Ending several servers together.

func serveBoth(ctx context.Context, web *httpd.Server, webOn, raw *servers.Listener, serve func(context.Context, *chanio.Conn) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	live := context.WithoutCancel(ctx) // Shutdown ends the servers, not the end of ctx
	var all sync.WaitGroup
	var webErr, rawErr error
	all.Go(func() { defer stop(); webErr = web.ServeListener(live, webOn) }) // if one fails, both end
	all.Go(func() { defer stop(); rawErr = raw.Serve(live, serve) })
	<-ctx.Done()
	late, cancel := context.WithTimeout(live, 10*time.Second)
	defer cancel()
	all.Go(func() { _ = web.Shutdown(late) }) // both at once: they share the ten seconds
	all.Go(func() { _ = raw.Shutdown(late) })
	all.Wait()
	return errors.Join(webErr, rawErr)
}
