package httpd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
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

// eventWriter writes events to a reply.
type eventWriter struct {
	cfg     EventsConfig
	w       http.ResponseWriter
	rc      *http.ResponseController
	ctx     context.Context // of the request
	codec   codec.Codec[sse.Event]
	end     chanio.End
	turn    chan struct{} // full while somebody writes
	leaves  chan struct{} // closed by a Shutdown
	stopped chan struct{} // closed when the goroutine of heartbeats has ended
	closed  atomic.Bool

	mu      sync.Mutex
	told    bool   // leaves has been closed
	onLeave func() // called then, if it is not nil
	corks   int
	unsent  bool // something was written and not flushed
	beat    time.Time
	timeout bool // the writer has deadlines
}

// newEventWriter begins the reply.
func newEventWriter(w http.ResponseWriter, r *http.Request, cfg *EventsConfig) (*eventWriter, error) {
	s := &eventWriter{
		cfg: cfg.complete(), w: w, rc: http.NewResponseController(w), ctx: r.Context(),
		turn: make(chan struct{}, 1), leaves: make(chan struct{}),
	}
	s.codec = sse.Events(s.cfg.MaxEvent)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	for name, value := range map[string]string{"Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if h.Get(name) == "" {
			h.Set(name, value)
		}
	}
	h.Del("Content-Length")
	if err := s.arm(); err != nil {
		if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && srv.WriteTimeout > 0 {
			return nil, fmt.Errorf("httpd: Events: the ResponseWriter, a %T, has no write deadline, and the WriteTimeout of the server would end the stream: %w",
				w, errors.ErrUnsupported)
		}
	} else {
		s.timeout = true
	}
	w.WriteHeader(http.StatusOK)
	if s.cfg.Retry != 0 {
		if err := s.event(r.Context(), sse.Event{Retry: s.cfg.Retry}); err != nil {
			return nil, err
		}
	}
	s.touch()
	if err := s.rc.Flush(); err != nil {
		return nil, fmt.Errorf("httpd: Events: %w", err)
	}
	return s, nil
}

// arm bounds the next write.
func (s *eventWriter) arm() error {
	if s.cfg.WriteTimeout < 0 {
		return s.rc.SetWriteDeadline(time.Time{})
	}
	return s.rc.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
}

func (s *eventWriter) touch() {
	s.mu.Lock()
	s.beat = time.Now()
	s.mu.Unlock()
}

// write writes whole events, and flushes them unless the Sink is corked.
func (s *eventWriter) write(ctx context.Context, p []byte) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
	defer func() { <-s.turn }()
	if !s.end.Open() && s.end.Ended() {
		return s.refusal()
	}
	if s.ctx.Err() != nil {
		return s.failed(chanio.Cause(s.ctx))
	}
	if s.timeout {
		if err := s.arm(); err != nil {
			return s.failed(err)
		}
	}
	if _, err := s.w.Write(p); err != nil {
		return s.failed(err)
	}
	s.mu.Lock()
	s.beat = time.Now()
	s.unsent = true
	corked := s.corks > 0
	s.mu.Unlock()
	if corked {
		return nil
	}
	return s.flushNow()
}

// flushNow flushes what was written. The caller has the turn.
func (s *eventWriter) flushNow() error {
	s.mu.Lock()
	unsent := s.unsent
	s.unsent = false
	s.mu.Unlock()
	if !unsent {
		return nil
	}
	if err := s.rc.Flush(); err != nil {
		return s.failed(err)
	}
	return nil
}

// failed ends the stream.
func (s *eventWriter) failed(err error) error {
	if errors.Is(err, context.Canceled) {
		err = &clientGone{err}
	}
	s.end.Set(err)
	return s.refusal()
}

// clientGone is the end of a stream whose client has gone. It is no error of the sender's ctx.
type clientGone struct{ err error }

func (e *clientGone) Error() string { return "httpd: the client has gone: " + e.err.Error() }

// Is makes it [ErrClientGone].
func (e *clientGone) Is(target error) bool { return target == ErrClientGone }

func (s *eventWriter) refusal() error {
	if err := s.end.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

func (s *eventWriter) event(ctx context.Context, e sse.Event) error {
	p, err := codec.Marshal(s.codec, e)
	if err != nil {
		return err
	}
	return s.write(ctx, p)
}

func (s *eventWriter) send(ctx context.Context, e sse.Event) error { return s.event(ctx, e) }

// sendAll sends events with one flush.
func (s *eventWriter) sendAll(ctx context.Context, events []sse.Event) (n int, err error) {
	defer s.cork()()
	for n, e := range events {
		if err := s.event(ctx, e); err != nil {
			return n, err
		}
	}
	return len(events), nil
}

// cork holds flushes back.
func (s *eventWriter) cork() (uncork func()) {
	s.mu.Lock()
	s.corks++
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.corks = max(s.corks-1, 0)
		last := s.corks == 0 && s.unsent
		s.mu.Unlock()
		if !last {
			return
		}
		s.turn <- struct{}{} // a write is bounded by its timeout
		defer func() { <-s.turn }()
		if !s.end.Ended() {
			_ = s.flushNow() // the end has the error
		}
	}
}

// close ends the stream, and returns when nothing touches the ResponseWriter any more.
func (s *eventWriter) close() error {
	s.turn <- struct{}{}
	s.closed.Store(true)
	err := s.flushNow()
	s.end.Set(err)
	<-s.turn
	<-s.stopped
	return err
}

// abort ends the stream without a flush, and a write under way.
func (s *eventWriter) abort(error) {
	if !s.closed.Load() {
		_ = s.rc.SetWriteDeadline(past) // without deadlines it takes as long as it takes
	}
	s.turn <- struct{}{}
	<-s.turn
	<-s.stopped
}

// keepAlive sends heartbeats until the stream has ended.
func (s *eventWriter) keepAlive() {
	timer := time.NewTimer(max(s.cfg.Heartbeat, time.Millisecond))
	defer timer.Stop()
	if s.cfg.Heartbeat < 0 {
		timer.Stop()
	}
	for {
		select {
		case <-timer.C:
			timer.Reset(s.heartbeat())
		case <-s.end.Done():
			return
		case <-s.ctx.Done():
			s.end.Set(&clientGone{chanio.Cause(s.ctx)})
			return
		case <-s.leaves:
			s.sayGoodbye()
			s.closed.Store(true) // what was sent is to arrive
			s.end.Set(http.ErrServerClosed)
			return
		}
	}
}

// heartbeat sends one if it is due, and returns when the next is.
func (s *eventWriter) heartbeat() time.Duration {
	s.mu.Lock()
	left := s.cfg.Heartbeat - time.Since(s.beat)
	s.mu.Unlock()
	if left > 0 {
		return left
	}
	_ = s.write(s.ctx, heartbeat) // the end has the error
	return s.cfg.Heartbeat
}

// heartbeat is a comment.
var heartbeat = []byte(":\n\n")

// sayGoodbye sends the last event.
func (s *eventWriter) sayGoodbye() {
	if s.cfg.Goodbye != (sse.Event{}) {
		_ = s.event(s.ctx, s.cfg.Goodbye) // which ends anyway
	}
}

// copy sends the events of src in the caller's goroutine, with heartbeats between them.
func (s *eventWriter) copy(src *chanio.Source[[]byte]) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	if s.leaveWith(cancel) {
		cancel()
	}
	for {
		p, err := s.await(ctx, src)
		switch {
		case err == nil:
		case s.ctx.Err() == nil && isDone(s.leaves):
			s.sayGoodbye()
			return
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			p = heartbeat
		default:
			return
		}
		if s.write(ctx, p) != nil || s.drain(ctx, src) != nil {
			return
		}
	}
}

// await waits for an event, no longer than to the next heartbeat.
func (s *eventWriter) await(ctx context.Context, src *chanio.Source[[]byte]) ([]byte, error) {
	if s.cfg.Heartbeat < 0 {
		return src.Recv(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Heartbeat)
	defer cancel()
	return src.Recv(bounded)
}

// drain sends what is at hand with one flush.
func (s *eventWriter) drain(ctx context.Context, src *chanio.Source[[]byte]) error {
	p, ok, _ := src.TryRecv() // the next Recv has the error
	if !ok {
		return nil
	}
	defer s.cork()()
	for ok {
		if err := s.write(ctx, p); err != nil {
			return err
		}
		p, ok, _ = src.TryRecv()
	}
	return nil
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
