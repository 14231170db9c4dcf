package httpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/http2"
)

// SinkConfig configures the Sink of a reply. A nil *SinkConfig and the zero value use the defaults.
type SinkConfig struct {
	// WriteTimeout limits how long the client may delay one Send or Flush before the Sink fails. It replaces the
	// server's own WriteTimeout, so that a stream which makes progress can continue. The server of this package already
	// has such a limit, Config.WriteTimeout, and needs none here. 0 means 30 s; a negative value means none.
	WriteTimeout time.Duration
}

// Sink returns the body of the reply to r as a Sink, for a handler of any server. Set header and status on w before the
// first Send. A value is written in its sender's goroutine and flushed at once, unless more follows: within a SendAll
// or between Cork and uncork, as pipeline.Connect does while its Source has more at hand.
//
// The Sink ends with [ErrClientGone] when the context of r ends. Before the handler returns, it must close the Sink or
// have no goroutine left that sends, because w must not be used later, and values left in C would be lost. [Stream] and
// [Reply] ensure that. The server of this package, found through Unwrap, closes a Sink that was left open. After a Close
// the handler may still read the request; the reply ends when it returns.
//
// Abort truncates the reply if w, or what it unwraps to, has SetWriteDeadline. Otherwise the handler can panic with
// [http.ErrAbortHandler]. A ctx that ends during a Send leaves the reply unchanged on the server of this package. On
// others it ends the Sink, if it can interrupt the Send at all.
//
// If the server has a WriteTimeout and w has no SetWriteDeadline, the Sink fails from the start with an error that
// matches errors.ErrUnsupported. If w has no Flush, the server decides when values are sent, and Flush returns such an
// error. cfg may be nil. Sink starts no goroutine and no timer.
func Sink(w http.ResponseWriter, r *http.Request, cfg *SinkConfig) *chanio.Sink[[]byte] {
	sink, _ := newSink(w, r, cfg)
	return sink
}

func newSink(w http.ResponseWriter, r *http.Request, cfg *SinkConfig) (*chanio.Sink[[]byte], *replySink) {
	ctx := r.Context()
	s := &replySink{
		w: w, ctx: ctx, rc: http.NewResponseController(w), turn: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	s.own, _ = w.(streamWriter)
	if s.engine = unwrapped(w); s.engine == nil {
		s.timeout = defaultWriteTimeout
		if cfg != nil && cfg.WriteTimeout != 0 {
			s.timeout = cfg.WriteTimeout
		}
	}
	s.deadline.Init(deadline.Func(func(t time.Time) error {
		_ = s.rc.SetWriteDeadline(t) // without it, writes are not interrupted
		return nil
	}))
	sink := chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send: s.send, TrySend: s.trySend, SendAll: s.sendAll, Flush: s.flush, Close: s.close, Abort: s.abort, Cork: s.cork,
		End: &s.end, Bytes: s,
		Describe: func() chanio.Description { return chanio.Description{Kind: "httpd.Sink"} },
	})
	s.unwatch = context.AfterFunc(ctx, func() { s.fail(goneBecause(ctx)) })
	if s.engine != nil {
		s.engine.beforeFinish(func() { _ = sink.Close() })
	} else if srv := shownServer(r); srv != nil && srv.WriteTimeout > 0 {
		if err := s.rc.SetWriteDeadline(time.Time{}); errors.Is(err, errors.ErrUnsupported) {
			s.fail(fmt.Errorf("httpd: a stream on a server with a WriteTimeout, but %T has no SetWriteDeadline: %w", w, errors.ErrUnsupported))
		}
	}
	return sink, s
}

// replySink is a ByteSink over an http.ResponseWriter.
type replySink struct {
	w        http.ResponseWriter
	ctx      context.Context // of the request
	rc       *http.ResponseController
	own      streamWriter  // w, if it belongs to this package's server
	engine   streamWriter  // the streamWriter of this package's server, even behind middleware
	timeout  time.Duration // for a call on another server
	status   int           // written first, unless it is 0
	deadline deadline.Deadline
	end      chanio.End
	unwatch  func() bool // stops watching the context of the request

	turn  chan struct{} // full while a goroutine uses w
	began bool          // w has been used; guarded by the turn, as are held and over
	held  bool          // something was written and not flushed
	over  bool          // w must no longer be used

	corks   atomic.Int32
	aborted atomic.Bool
	once    sync.Once
	quit    chan struct{} // closed when nothing more is accepted
}

// fail ends the stream with err.
func (s *replySink) fail(err error) {
	s.end.Set(err)
	s.stop()
}

func (s *replySink) send(ctx context.Context, p []byte) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.write(ctx, p, nil)
}

func (s *replySink) trySend(p []byte) (bool, error) {
	if ok, err := s.tryAcquire(); !ok {
		return false, err
	}
	defer s.release()
	err := s.write(context.Background(), p, nil)
	return err == nil, err
}

func (s *replySink) sendAll(ctx context.Context, vs [][]byte) (int, error) {
	defer s.cork()()
	for n, v := range vs {
		if err := s.send(ctx, v); err != nil {
			return n, err
		}
	}
	return len(vs), nil
}

func (s *replySink) Begin() []byte { return make([]byte, 0, 512) }

func (s *replySink) End(ctx context.Context, scratch, body []byte) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.write(ctx, scratch, body)
}

func (s *replySink) TryEnd(scratch, body []byte) (bool, error) {
	if ok, err := s.tryAcquire(); !ok {
		return false, err
	}
	defer s.release()
	err := s.write(context.Background(), scratch, body)
	return err == nil, err
}

// write writes head, then body, and flushes unless more follows. The caller must hold the turn.
func (s *replySink) write(ctx context.Context, head, body []byte) error {
	if len(head)+len(body) == 0 {
		return nil
	}
	return s.use(ctx, func() error {
		if s.own != nil {
			return s.writeOwn(ctx, head, body)
		}
		for _, p := range [...][]byte{head, body} {
			if len(p) == 0 {
				continue
			}
			n, err := s.w.Write(p)
			if err == nil && n < len(p) {
				err = io.ErrShortWrite
			}
			if err != nil {
				return err
			}
		}
		s.held = true
		if s.corks.Load() > 0 {
			return nil
		}
		return s.flushHeld()
	})
}

// writeOwn writes head and body as one piece, which needs no flush.
func (s *replySink) writeOwn(ctx context.Context, head, body []byte) error {
	if len(head) > 0 && len(body) > 0 {
		head, body = append(head, body...), nil
	}
	if len(head) == 0 {
		head = body
	}
	return s.own.put(ctx, head)
}

// flushHeld flushes w, if it supports that.
func (s *replySink) flushHeld() error {
	s.held = false
	if err := s.rc.Flush(); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// use calls do, which uses w. If do fails or panics, the stream ends, unless the error concerns only this call.
func (s *replySink) use(ctx context.Context, do func() error) error {
	if s.own == nil {
		var until time.Time
		if s.timeout > 0 {
			until = time.Now().Add(s.timeout)
		}
		if err := s.deadline.Enter(ctx, until); err != nil {
			return err
		}
		defer s.leave()
		if err := s.deadline.Arm(); err != nil {
			return err
		}
	}
	returned := false
	defer func() {
		if !returned {
			s.crash(recover())
		}
	}()
	if !s.began && s.status != 0 {
		s.w.WriteHeader(s.status)
	}
	s.began = true
	err := do()
	returned = true
	return s.judge(ctx, err)
}

// leave ends a call. It keeps the deadline of an abort.
func (s *replySink) leave() {
	s.deadline.Leave()
	if s.aborted.Load() {
		_ = s.rc.SetWriteDeadline(past)
	}
}

// judge returns the error for the caller, and ends the stream unless it can continue.
func (s *replySink) judge(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case s.own != nil && chanio.Resumable(ctx, err):
		return err
	case ctx.Err() != nil:
		s.fail(errInterrupted)
		return chanio.Cause(ctx)
	}
	var reset *http2.StreamError
	if errors.As(err, &reset) && reset.Remote {
		s.fail(fmt.Errorf("%w: %w", ErrClientGone, err))
	} else {
		s.fail(fmt.Errorf("httpd: %w", err))
	}
	return s.refusal()
}

// crash ends the stream after w has panicked with v, and panics again.
func (s *replySink) crash(v any) {
	s.fail(chanio.Recovered(v))
	if v != nil {
		panic(v)
	}
}

func (s *replySink) flush(ctx context.Context) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.flushAll(ctx)
}

// flushAll sends the head, unless it was sent before, and everything written. The caller must hold the turn.
func (s *replySink) flushAll(ctx context.Context) error {
	unsupported := false
	err := s.use(ctx, func() error {
		s.held = false
		if s.own != nil {
			return s.own.flush(ctx)
		}
		err := s.rc.Flush()
		if errors.Is(err, errors.ErrUnsupported) {
			unsupported = true
			return nil
		}
		return err
	})
	if err == nil && unsupported {
		return fmt.Errorf("httpd: %T cannot be flushed: %w", s.w, errors.ErrUnsupported)
	}
	return err
}

// cork implements SinkHooks.Cork.
func (s *replySink) cork() (uncork func()) {
	s.corks.Add(1)
	below := func() {}
	if s.own != nil {
		below = s.own.cork()
	}
	return sync.OnceFunc(func() {
		below()
		if s.corks.Add(-1) > 0 || s.own != nil {
			return
		}
		if ok, _ := s.tryAcquire(); !ok {
			return // the goroutine that holds the turn flushes
		}
		defer s.release()
		if s.held {
			_ = s.use(context.Background(), s.flushHeld) // an error ends the stream
		}
	})
}

// close flushes what is held and stops using w.
func (s *replySink) close() error {
	linger, cancel := s.end.Lingering()
	defer cancel()
	defer s.unwatch()
	s.stop()
	select {
	case s.turn <- struct{}{}:
	case <-linger.Done():
		s.abort(chanio.Cause(linger))
		return chanio.Cause(linger)
	}
	defer s.release()
	return s.finish()
}

// finish flushes what was written for the last time. The caller must hold the turn.
func (s *replySink) finish() error {
	if s.over {
		return nil
	}
	s.over = true
	if !s.held {
		return nil
	}
	return s.use(context.Background(), s.flushHeld)
}

// abort makes the current call and the end of the reply fail.
func (s *replySink) abort(cause error) {
	s.unwatch()
	s.stop()
	if s.engine != nil {
		s.engine.abort(cause)
		return
	}
	s.aborted.Store(true)
	select {
	case s.turn <- struct{}{}: // no goroutine is writing
		defer s.release()
		if s.ctx.Err() != nil {
			return // the handler may have returned, after which w must not be used
		}
	default:
	}
	s.deadline.Close(cause)
	_ = s.rc.SetWriteDeadline(past)
}
