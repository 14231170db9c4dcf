package httpd

import (
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
	"github.com/weir-go/weir/internal/deadline"
)

// eventWriter writes events to a reply.
type eventWriter struct {
	cfg     EventsConfig
	w       http.ResponseWriter
	rc      *http.ResponseController
	ctx     context.Context // of the request
	codec   codec.Codec[sse.Event]
	end     chanio.End
	turn    chan struct{} // full while a goroutine writes
	leaves  chan struct{} // closed on a Shutdown
	stopped chan struct{} // closed when the goroutine of heartbeats has ended
	closed  atomic.Bool

	mu      sync.Mutex
	told    bool   // leaves has been closed
	onLeave func() // called on a Shutdown, if not nil
	corks   int
	unsent  bool // something was written and not flushed
	beat    time.Time
	timeout bool // the writer has deadlines
	lasting bool // a deadline that passes between two writes ends the stream, as in the HTTP/2 of net/http

	deadline writeDeadline
}

// newEventWriter starts the reply.
func newEventWriter(w http.ResponseWriter, r *http.Request, cfg *EventsConfig) (*eventWriter, error) {
	rc := http.NewResponseController(w)
	s := &eventWriter{
		cfg: cfg.complete(), w: w, rc: rc, deadline: writeDeadline{rc: rc}, ctx: r.Context(),
		turn: make(chan struct{}, 1), leaves: make(chan struct{}), lasting: r.ProtoMajor > 1,
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
			return nil, begun{err}
		}
	}
	s.touch()
	if err := s.rc.Flush(); err != nil {
		return nil, begun{fmt.Errorf("httpd: Events: %w", err)}
	}
	s.disarm()
	return s, nil
}

// arm sets the deadline of the next write.
func (s *eventWriter) arm() error {
	if s.cfg.WriteTimeout < 0 {
		return s.deadline.set(time.Time{})
	}
	return s.deadline.set(time.Now().Add(s.cfg.WriteTimeout))
}

// disarm removes the deadline of a write that is over.
func (s *eventWriter) disarm() {
	if s.timeout && s.lasting {
		_ = s.deadline.set(time.Time{}) // the next write reports the error
	}
}

func (s *eventWriter) touch() {
	s.mu.Lock()
	s.beat = time.Now()
	s.mu.Unlock()
}

// write writes whole events when no other call writes.
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
	return s.timed(func() error { return s.put(p) })
}

// timed calls do, which writes or flushes, within a new deadline. The caller must hold the turn.
func (s *eventWriter) timed(do func() error) error {
	if !s.timeout {
		return do()
	}
	if err := s.arm(); err != nil {
		return s.failed(err)
	}
	defer s.disarm()
	return do()
}

// put writes p, and flushes it unless the Sink is corked.
func (s *eventWriter) put(p []byte) error {
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

// flushLater flushes what was written some time ago. The caller must hold the turn.
func (s *eventWriter) flushLater() error {
	s.mu.Lock()
	unsent := s.unsent
	s.mu.Unlock()
	if !unsent {
		return nil
	}
	return s.timed(s.flushNow)
}

// flushNow flushes what was written.
func (s *eventWriter) flushNow() error {
	s.mu.Lock()
	s.unsent = false
	s.mu.Unlock()
	if err := s.rc.Flush(); err != nil {
		return s.failed(err)
	}
	return nil
}

// failed ends the stream with err.
func (s *eventWriter) failed(err error) error {
	if errors.Is(err, context.Canceled) {
		err = &clientGone{err}
	}
	s.deadline.leaveLive()
	s.end.Set(err)
	return s.refusal()
}

// endWith ends the stream with err when no write is in progress: the handler may then return at once, since the Close of
// a Sink that has failed does not wait.
func (s *eventWriter) endWith(err error) {
	s.turn <- struct{}{} // a write in progress is bounded by its timeout
	defer func() { <-s.turn }()
	s.deadline.leaveLive()
	s.end.Set(err)
}

// clientGone is the error of a stream whose client has disconnected. It does not match the error of the sender's ctx.
type clientGone struct{ err error }

func (e *clientGone) Error() string { return "httpd: the client has gone: " + e.err.Error() }

// Is reports whether target is [ErrClientGone].
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

// cork holds back flushes until uncork is called.
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
		s.turn <- struct{}{} // a write in progress is bounded by its timeout
		defer func() { <-s.turn }()
		if !s.end.Ended() {
			_ = s.flushLater() // close returns the error
		}
	}
}

// close ends the stream. When it returns, no goroutine uses the ResponseWriter.
func (s *eventWriter) close() error {
	s.turn <- struct{}{}
	s.closed.Store(true)
	err := s.flushLater()
	s.end.Set(err)
	<-s.turn
	<-s.stopped
	s.deadline.letGo()
	return err
}

// abort ends the stream without a flush, and interrupts a write in progress.
func (s *eventWriter) abort(error) {
	if !s.closed.Load() {
		s.deadline.cut()
	}
	s.turn <- struct{}{}
	<-s.turn
	<-s.stopped
	s.deadline.letGo()
}

// guardedKeepAlive is keepAlive in a goroutine of this package. A panic of the ResponseWriter, which may be that of a
// user's middleware, ends the stream.
func (s *eventWriter) guardedKeepAlive(r *http.Request) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		crash := chanio.Recovered(v)
		if v != http.ErrAbortHandler {
			logf(r, "httpd: %s %q: events: %v\n%s", r.Method, r.RequestURI, crash, crash.Stack)
		}
		s.endWith(crash)
	}()
	s.keepAlive()
	returned = true
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
			s.endWith(&clientGone{chanio.Cause(s.ctx)})
			return
		case <-s.leaves:
			s.sayGoodbye()
			s.closed.Store(true) // what was sent should arrive
			s.endWith(http.ErrServerClosed)
			return
		}
	}
}

// heartbeat sends a heartbeat if it is due, and returns the time until the next one.
func (s *eventWriter) heartbeat() time.Duration {
	s.mu.Lock()
	left := s.cfg.Heartbeat - time.Since(s.beat)
	s.mu.Unlock()
	if left > 0 {
		return left
	}
	_ = s.write(s.ctx, heartbeat) // the end of the stream reports the error
	return s.cfg.Heartbeat
}

// heartbeat is a comment line.
var heartbeat = []byte(":\n\n")

// sayGoodbye sends Goodbye.
func (s *eventWriter) sayGoodbye() {
	if s.cfg.Goodbye != (sse.Event{}) {
		_ = s.event(s.ctx, s.cfg.Goodbye) // the stream ends in any case
	}
}

// copy sends the events of src in the caller's goroutine, with heartbeats.
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
		case s.ctx.Err() == nil && deadline.Ended(s.leaves):
			s.sayGoodbye()
			return
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			p = heartbeat
		default:
			return
		}
		if s.write(s.ctx, p) != nil || s.drain(src) != nil {
			return
		}
	}
}

// await waits for an event, at most until the next heartbeat is due.
func (s *eventWriter) await(ctx context.Context, src *chanio.Source[[]byte]) ([]byte, error) {
	if s.cfg.Heartbeat < 0 {
		return src.Recv(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Heartbeat)
	defer cancel()
	return src.Recv(bounded)
}

// drain sends the buffered events with one flush, until a Shutdown.
func (s *eventWriter) drain(src *chanio.Source[[]byte]) error {
	p, ok, _ := src.TryRecv() // the next Recv returns the error
	if !ok {
		return nil
	}
	defer s.cork()()
	for ok {
		if err := s.write(s.ctx, p); err != nil || deadline.Ended(s.leaves) {
			return err
		}
		p, ok, _ = src.TryRecv()
	}
	return nil
}
