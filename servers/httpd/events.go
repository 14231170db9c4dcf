package httpd

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
)

// EventsConfig says how a reply of Server-Sent Events behaves. The zero value, and nil, mean the defaults.
type EventsConfig struct {
	// Heartbeat is after how long without an event a comment is sent, which keeps the connection alive and finds out that a
	// client has gone. 0 means 15 s, negative that none is sent.
	Heartbeat time.Duration

	// WriteTimeout is how long one write may take. It takes the place of the server's, which would end every stream. 0 means
	// 30 s, negative no limit.
	WriteTimeout time.Duration

	// MaxEvent is how many bytes an event may have. 0 means 1 MiB.
	MaxEvent int

	// Retry, if not 0, is sent first: how long the client waits before it reconnects.
	Retry time.Duration

	// Goodbye is the last event of a stream that ends because the server shuts down. A zero Goodbye is not sent. Its ID
	// changes what the client resumes from, so it should have none.
	Goodbye sse.Event

	// Live, if not nil, ends the stream by its Shutdown: for other servers than this package's.
	Live *Live
}

func (cfg *EventsConfig) complete() EventsConfig {
	var c EventsConfig
	if cfg != nil {
		c = *cfg
	}
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
	return c
}

// Events begins a reply of Server-Sent Events and returns a Sink of it: each event leaves at once, unless the Sink is corked.
// The header says text/event-stream, that nothing is to be kept, and to nginx that nothing is to be held back; what the
// handler has set before stays. cfg may be nil.
//
// The Sink is closed before the handler returns, which [EventStream] does by itself. A client that has gone ends it, with the
// cause of the request's context; so does a Shutdown, behind cfg.Goodbye. Sends write in the sender's goroutine, and ctx
// bounds only the wait for others: WriteTimeout bounds the write. Until it is closed a goroutine sends the heartbeats.
func Events(w http.ResponseWriter, r *http.Request, cfg *EventsConfig) (*chanio.Sink[sse.Event], error) {
	s, err := newEventWriter(w, r, cfg)
	if err != nil {
		return nil, err
	}
	s.stopped = make(chan struct{})
	leave := s.register(w)
	go func() { // close and abort wait for it
		defer close(s.stopped)
		defer leave()
		s.keepAlive()
	}()
	return chanio.NewSink(chanio.SinkHooks[sse.Event]{
		Send: s.send, SendAll: s.sendAll, Close: s.close, Abort: s.abort, Cork: s.cork, End: &s.end,
		Describe: func() chanio.Description { return chanio.Description{Kind: "httpd.Events"} },
	}), nil
}

// EventStream returns a handler that begins a reply of events and calls f with its Sink, which is closed when f returns. An
// error of f ends the reply as if it had been cut, unless the client has gone: the client reconnects.
func EventStream(f func(ctx context.Context, events *chanio.Sink[sse.Event]) error, cfg *EventsConfig) http.Handler {
	if f == nil {
		panic("httpd: EventStream: the function is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		events, err := Events(w, r, cfg)
		if err != nil {
			return // the client has gone
		}
		defer events.Abort(net.ErrClosed)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer events.OnDone(cancel)()
		if err := f(ctx, events); err != nil && events.Err() == nil {
			events.Abort(err)
			panic(http.ErrAbortHandler)
		}
		_ = events.Close() // the client may have gone
	})
}

// ServeTopic returns a handler that sends the events of a topic, from the one behind the Last-Event-ID field of the request,
// or the lastEventId of its query, on. Events are encoded once for all clients, and no goroutine runs but the handler's. It
// returns when the client has gone, the topic has ended or the server shuts down.
func ServeTopic(topic *sse.Topic, cfg *EventsConfig) http.Handler {
	if topic == nil {
		panic("httpd: ServeTopic: the Topic is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		src := topic.SubscribeBytes(lastEventID(r))
		defer func() { _ = src.Close() }()
		s, err := newEventWriter(w, r, cfg)
		if err != nil || r.Method == http.MethodHead {
			return
		}
		defer s.register(w)()
		s.copy(src)
	})
}

// lastEventID returns what the client has seen last.
func lastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("lastEventId")
}
