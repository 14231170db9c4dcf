package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

//go:embed page
var files embed.FS

// page is the part of the tour for browsers: HTTP, WebSocket and server-sent events of this library.
type page struct {
	rooms   *rooms
	metrics *sse.Topic
}

func visitPage(ctx context.Context, t *tour) error {
	p := &page{rooms: newRooms(), metrics: sse.NewTopic(nil)}
	handler, err := p.handler()
	if err != nil {
		return err
	}
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		return err
	}
	t.say("server", "%v", ln)
	t.up = append(t.up, fmt.Sprintf("%-10s http://127.0.0.1:%d/", "page", ln.Addr().(*net.TCPAddr).Port))
	t.group.Go(func() error { return httpd.New(handler, nil).ServeListener(ctx, ln) })
	t.group.Go(func() error { return p.measure(ctx) })
	return t.look(ctx, "http://"+ln.Addr().String())
}

// handler returns the handler of the page.
func (p *page) handler() (http.Handler, error) {
	static, err := fs.Sub(files, "page")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(static))
	mux.Handle("GET /chat", httpd.WebSocket(p.rooms.visit, nil))
	mux.Handle("GET /metrics", httpd.ServeTopic(p.metrics, nil))
	mux.Handle("GET /numbers", httpd.Reply(numbers))
	mux.Handle("GET /pressure", http.HandlerFunc(pressure))
	mux.HandleFunc("POST /inspect", inspect)
	mux.HandleFunc("POST /versions", versions)
	mux.HandleFunc("GET /greet", greet)
	return thisMachineOnly(mux), nil
}

// thisMachineOnly rejects requests for other hosts, so that a foreign page whose name resolves to this machine cannot
// read this one (DNS rebinding).
func thisMachineOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		switch host {
		case "localhost", "127.0.0.1", "[::1]", "::1":
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "this page is for localhost", http.StatusMisdirectedRequest)
		}
	})
}

// numbers yields 0 to 9, one every 100 ms.
func numbers(context.Context, *http.Request) (httpd.Response, error) {
	n := 0
	ticks := pipeline.Periodically(100*time.Millisecond, func(time.Time) string {
		n++
		return strconv.Itoa(n-1) + "\n"
	})
	return httpd.TextStream(pipeline.Take(ticks, 10)), nil
}

// pressure streams the levels of a flow configured by the query until the browser closes it.
func pressure(w http.ResponseWriter, r *http.Request) {
	f, err := flowOf(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	events, err := httpd.Events(w, r, nil)
	if err != nil {
		return // it is answered
	}
	defer events.Close()
	_ = chanio.Race(r.Context(), func(ctx context.Context) error {
		return f.run(ctx, func(l level) error { return sendJSON(ctx, events, "level", l) })
	}, func(ctx context.Context) error {
		select {
		case <-events.Done():
			return events.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}
