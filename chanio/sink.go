package chanio

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Sink is the sending half of a stream. All of its methods are for any goroutine at any time, and one value is never
// mixed with another.
type Sink[T any] struct {
	hooks SinkHooks[T] // with an End

	mu     sync.Mutex
	closed chan struct{} // closed when Close has finished
	result error         // of Close
	view   *sinkView[T]  // the latest C
}

// NewSink returns a Sink made of hooks, for an endpoint or a stage. It starts no goroutine. An endpoint that fails between
// two calls sets its End.
func NewSink[T any](hooks SinkHooks[T]) *Sink[T] {
	if hooks.Send == nil {
		panic("chanio: NewSink: Send is nil")
	}
	if hooks.End == nil {
		hooks.End = new(End)
	}
	return &Sink[T]{hooks: hooks}
}

// Send waits for room and accepts v. Once it has returned nil, v is in order and on its way within the coalescing delay
// of the connection; [Sink.Flush] and Close tell whether it left the process. ctx bounds only the wait: if it ends first,
// Send returns [Cause] of ctx and nothing of v is ever sent. After Close it returns net.ErrClosed, after a failure that
// failure. An error that concerns only v, of a codec for instance, leaves the sink as it was. When Send returns, the sink
// no longer refers to v.
func (s *Sink[T]) Send(ctx context.Context, v T) error {
	if !s.hooks.End.Open() {
		return refusal(s.hooks.End)
	}
	if err := s.hooks.Send(ctx, v); err != nil {
		return callError(ctx, err)
	}
	return nil
}

// SendAll accepts values in order and returns how many: all of vs, unless there is an error, which is as for Send and
// concerns vs[n]. It costs less than as many calls of Send. Each value waits for room by itself, and values of other
// senders may come between.
func (s *Sink[T]) SendAll(ctx context.Context, vs ...T) (n int, err error) {
	if !s.hooks.End.Open() {
		return 0, refusal(s.hooks.End)
	}
	if n, err = s.sendAll(ctx, vs); err != nil {
		return n, callError(ctx, err)
	}
	return n, nil
}

func (s *Sink[T]) sendAll(ctx context.Context, vs []T) (n int, err error) {
	if s.hooks.SendAll != nil {
		return s.hooks.SendAll(ctx, vs)
	}
	if len(vs) > 1 && s.hooks.Cork != nil {
		defer s.hooks.Cork()()
	}
	for n, v := range vs {
		if err := s.hooks.Send(ctx, v); err != nil {
			return n, err
		}
	}
	return len(vs), nil
}

// TrySend accepts v if there is room for it now, and reports whether it did. It never blocks. The error is as for Send.
func (s *Sink[T]) TrySend(v T) (bool, error) {
	if !s.hooks.End.Open() {
		return false, refusal(s.hooks.End)
	}
	if s.hooks.TrySend != nil {
		return s.hooks.TrySend(v)
	}
	err := s.hooks.Send(expired, v)
	if err != nil && Resumable(expired, err) {
		return false, nil
	}
	return err == nil, err
}

// expired is a ctx that has ended.
var expired = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Flush returns when everything accepted before it has left the process, or with the reason why it cannot. What the
// channel of C held when Flush was called counts as accepted. ctx bounds the wait and changes nothing.
func (s *Sink[T]) Flush(ctx context.Context) error {
	if err := s.hooks.End.Settle(ctx); err != nil {
		return callError(ctx, err)
	}
	if s.hooks.Flush == nil || s.hooks.End.Ended() {
		return s.hooks.End.Err()
	}
	if err := s.hooks.Flush(ctx); err != nil {
		return callError(ctx, err)
	}
	return nil
}

// Cork says that more values will follow at once, so that the endpoint may hold them back, for no longer than its
// coalescing delay, and send many in one go. uncork takes that back and sends what was held, without blocking. Corks
// nest. Connections cork themselves while their input is not exhausted, so few programs need
// it.
func (s *Sink[T]) Cork() (uncork func()) {
	if s.hooks.Cork == nil {
		return notCorked
	}
	return s.hooks.Cork()
}

// notCorked is an uncork of a Sink that cannot be corked. A literal in a generic method would be allocated each time.
func notCorked() {}

// Close sends what was accepted, tells the peer that the stream has ended (half-close), and waits until that has left
// the process. A peer that takes nothing for the linger bound, 5 s by default, ends the wait: Close then aborts and
// returns an error that is os.ErrDeadlineExceeded. It is idempotent; every call returns the same when it is over.
func (s *Sink[T]) Close() error {
	s.mu.Lock()
	if s.closed != nil {
		s.mu.Unlock()
		<-s.closed
		return s.result
	}
	s.closed = make(chan struct{})
	s.mu.Unlock()
	defer close(s.closed)
	returned := false
	defer func() {
		if !returned {
			s.crash(recover())
		}
	}()
	s.result = s.close()
	returned = true
	return s.result
}

// crash ends the stream because a hook did not return from Close: it panicked with v, or called runtime.Goexit if v is
// nil. The panic goes on.
func (s *Sink[T]) crash(v any) {
	s.hooks.End.Set(Recovered(v))
	s.result = s.hooks.End.Err()
	if v != nil {
		panic(v)
	}
}

func (s *Sink[T]) close() error {
	linger, stop := s.hooks.End.Lingering()
	err := s.hooks.End.Settle(linger) // what the channels above hold, for as long as that makes progress
	stop()
	if err != nil && s.hooks.End.Open() {
		s.Abort(err)
	}
	s.hooks.End.BeginClose(nil)
	if s.hooks.Close == nil || s.hooks.End.Ended() && s.hooks.End.Err() != nil {
		s.hooks.End.Set(nil)
		return s.hooks.End.Err()
	}
	err = s.hooks.Close()
	if errors.Is(err, errors.ErrUnsupported) {
		s.hooks.End.Set(nil)
		return err
	}
	s.hooks.End.Set(err)
	return s.hooks.End.Err()
}

// Abort discards what was accepted and not yet sent, and ends the stream with cause: blocked calls and later ones
// return it. Where one direction cannot be reset alone, Abort ends both. A nil cause stands for net.ErrClosed. After a
// Close that has sent everything, Abort changes nothing that Err says.
func (s *Sink[T]) Abort(cause error) {
	if cause == nil {
		cause = net.ErrClosed
	}
	s.hooks.End.Set(cause)
	if s.hooks.Abort != nil {
		s.hooks.Abort(cause)
	}
}

// broken aborts s because of a panic with v, in a goroutine of the library. What the Abort hook may panic with then is
// dropped: the first panic is what matters.
func (s *Sink[T]) broken(v any) {
	defer func() { _ = recover() }()
	s.Abort(Recovered(v))
}

// Done is closed when nothing more is accepted: after Close, Abort or a failure.
func (s *Sink[T]) Done() <-chan struct{} { return s.hooks.End.Done() }

// OnDone has f called, in a goroutine of its own, once Done is closed. stop takes f back and reports whether it did so
// before the call.
func (s *Sink[T]) OnDone(f func()) (stop func() bool) { return s.hooks.End.OnDone(f) }

// End returns the end of the stream, for the SinkHooks.End of a Sink that leads to this one.
func (s *Sink[T]) End() *End { return s.hooks.End }

// Err tells why the stream ended: nil while it has not, and after a Close that sent everything.
func (s *Sink[T]) Err() error { return s.hooks.End.Err() }

// refusal is what a Send after the end is told.
func refusal(e *End) error {
	if err := e.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}
