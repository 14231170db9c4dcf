package httpd

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
)

// EventsConfig configures a reply of Server-Sent Events. A nil *EventsConfig and the zero value use the defaults.
type EventsConfig struct {
	// Heartbeat is the time without an event after which a comment is sent, which keeps the connection alive and
	// detects that a client has disconnected. 0 means 15 s; negative means never.
	Heartbeat time.Duration

	// WriteTimeout limits one write. It replaces the server's write timeout, which would end every stream. 0 means 30
	// s; negative means no limit.
	WriteTimeout time.Duration

	// MaxEvent limits the size of an event in bytes. 0 means 1 MiB.
	MaxEvent int

	// Retry, if not 0, is sent first: how long the client waits before it reconnects.
	Retry time.Duration

	// Goodbye is the last event of a stream that ends because the server shuts down. A zero Goodbye is not sent. It
	// should have no ID, which would change where the client resumes.
	Goodbye sse.Event

	// Live, if not nil, ends the stream on its Shutdown. It is for servers other than this package's.
	Live *Live
}

func (cfg *EventsConfig) complete() EventsConfig {
	var c EventsConfig
	if cfg != nil {
		c = *cfg
	}
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, defaultWriteTimeout)
	return c
}

// Events starts a reply of Server-Sent Events and returns a Sink for it. Each event is sent at once, unless the Sink is
// corked. The header has the type text/event-stream, disables caching and asks nginx not to buffer; fields that the
// handler has set before are kept. cfg may be nil.
//
// The handler must close the Sink before it returns, or abort it if another goroutine may do that; [EventStream] does so.
// The Sink ends when the client disconnects and no write is in progress, with the cause of the request's context, and on
// a Shutdown, after cfg.Goodbye. A Send writes in the sender's goroutine; its ctx bounds only the wait for other senders,
// and WriteTimeout bounds the write. A goroutine sends heartbeats until the Sink is closed.
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
		s.guardedKeepAlive(r)
	}()
	return chanio.NewSink(chanio.SinkHooks[sse.Event]{
		Send: s.send, SendAll: s.sendAll, Close: s.close, Abort: s.abort, Cork: s.cork, End: &s.end,
		Describe: func() chanio.Description { return chanio.Description{Kind: "httpd.Events"} },
	}), nil
}

// EventStream returns a handler that starts a reply of events and calls f with its Sink, which is closed when f
// returns. ctx ends with the Sink: when the client disconnects, or on a Shutdown. An error of f truncates the reply and
// is logged, unless the Sink had ended before; the client then reconnects.
func EventStream(f func(ctx context.Context, events *chanio.Sink[sse.Event]) error, cfg *EventsConfig) http.Handler {
	if f == nil {
		panic("httpd: EventStream: the function is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		events, err := Events(w, r, cfg)
		if err != nil {
			eventsFailed(w, r, err)
			return
		}
		defer events.Abort(net.ErrClosed)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer events.OnDone(cancel)()
		if err := f(ctx, events); err != nil && events.Err() == nil {
			if !isGone(w, r, err) {
				report(w, r, "events", err)
			}
			events.Abort(err)
			cut()
		}
		var crash *chanio.PanicError
		if errors.As(events.Err(), &crash) { // of the goroutine of heartbeats
			cut()
		}
		_ = events.Close() // the client may have disconnected
	})
}

// eventsFailed ends a request whose reply of events could not be started.
func eventsFailed(w http.ResponseWriter, r *http.Request, err error) {
	var late begun
	if !errors.As(err, &late) {
		failed(w, r, err)
		return
	}
	if !isGone(w, r, err) {
		report(w, r, "events", err)
		cut()
	}
}

// ServeTopic returns a handler that sends the events of a topic, starting after the event in the Last-Event-ID field of
// the request or in lastEventId of its query. Events are encoded once for all clients. It uses only the handler's
// goroutine, and returns when the client has disconnected, the topic has ended or the server shuts down.
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
		switch {
		case err != nil:
			eventsFailed(w, r, err)
			return
		case r.Method == http.MethodHead:
			return
		}
		defer s.register(w)()
		s.copy(src)
	})
}

// lastEventID returns the ID of the last event that the client has received.
func lastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("lastEventId")
}
