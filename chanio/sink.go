package chanio

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/stream"
)

// Sink is the sending half of a stream. Its methods are safe for concurrent use, and values are never interleaved.
type Sink[T any] struct {
	hooks SinkHooks[T] // with an End

	mu     sync.Mutex
	closed chan struct{} // closed when Close has finished
	result error         // of Close
	view   *sinkView[T]  // the latest C
}

// NewSink returns a Sink made of hooks, for an endpoint or a stage. It starts no goroutine. An endpoint that fails
// between two calls sets its End.
func NewSink[T any](hooks SinkHooks[T]) *Sink[T] {
	if hooks.Send == nil {
		panic("chanio: NewSink: Send is nil")
	}
	if hooks.End == nil {
		hooks.End = new(End)
	}
	return &Sink[T]{hooks: hooks}
}

// Send waits for room and accepts v. When it returns nil, v has its place in the order of the stream and leaves within
// the coalescing delay of the connection; [Sink.Flush] and Close report whether it has left the process. ctx bounds
// only the wait: if it ends first, Send returns [Cause] of ctx and no part of v is ever sent. If there is room, Send
// accepts v even if ctx has ended already, so a loop that must end with ctx checks it. After Close, Send returns
// net.ErrClosed; after a failure, that failure. An error that concerns only v, such as one of a codec, leaves the sink
// usable. When Send returns, the sink no longer refers to v.
//
// A connection does not copy a []byte of 16 KiB or more: Send returns when it has been written. If ctx ends first, Send
// copies the rest and returns nil, since v has been accepted.
func (s *Sink[T]) Send(ctx context.Context, v T) error {
	if !s.hooks.End.Open() {
		return refusal(s.hooks.End)
	}
	if err := s.hooks.Send(ctx, v); err != nil {
		return callError(ctx, err)
	}
	return nil
}

// SendAll accepts values in order and returns how many: all of vs, or fewer with an error as for Send, which concerns
// vs[n]. It costs less than separate calls of Send. Each value waits for room separately, and values of other senders
// may come between.
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

// TrySend accepts v if there is room for it now, and reports whether it did. It never blocks. Errors are as for Send.
func (s *Sink[T]) TrySend(v T) (bool, error) {
	if !s.hooks.End.Open() {
		return false, refusal(s.hooks.End)
	}
	if s.hooks.TrySend != nil {
		return s.hooks.TrySend(v)
	}
	err := s.hooks.Send(deadline.Past, v)
	if err != nil && Resumable(deadline.Past, err) {
		return false, nil
	}
	return err == nil, err
}

// Consumes reports whether Send and SendAll use up values before they return; see SinkHooks.Consumes.
func (s *Sink[T]) Consumes() bool { return s.hooks.Consumes }

// Batches reports whether SendAll is more than a loop over Send; see SinkHooks.SendAll.
func (s *Sink[T]) Batches() bool { return s.hooks.SendAll != nil }

// Flush waits until everything accepted before it has left the process, and returns nil, or the reason why it cannot.
// Values in the channel of C when Flush is called count as accepted. ctx only bounds the wait.
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

// Cork announces that more values follow at once, so that the endpoint may hold values back, for at most its coalescing
// delay, and send many together. uncork ends that and sends what was held back, without blocking. Corks nest.
// Connections cork themselves while their input has more at hand, so few programs need Cork.
func (s *Sink[T]) Cork() (uncork func()) {
	if s.hooks.Cork == nil {
		return notCorked
	}
	return s.hooks.Cork()
}

// notCorked is an uncork of a Sink that cannot be corked. A literal in a generic method would be allocated each time.
func notCorked() {}

// Close sends what was accepted, signals the end of the stream to the peer (half-close), and waits until that has left
// the process. If the peer reads nothing for the linger bound, 5 s by default, Close aborts and returns an error that
// matches os.ErrDeadlineExceeded. Close is idempotent; every call returns the same result once it is complete.
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
// nil. The panic propagates.
func (s *Sink[T]) crash(v any) {
	s.broken(v) // releases what lies below too
	s.result = s.hooks.End.Err()
	if v != nil {
		panic(v)
	}
}

func (s *Sink[T]) close() error {
	err := stream.SettleAll(s.hooks.End) // sends what the channels above hold while that makes progress
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

// Abort discards values that were accepted and not yet sent, and ends the stream with cause, which blocked and later
// calls return. If one direction cannot be reset alone, Abort ends both. A nil cause means net.ErrClosed. After a Close
// that has sent everything, Abort does not change Err.
func (s *Sink[T]) Abort(cause error) {
	if cause == nil {
		cause = net.ErrClosed
	}
	s.hooks.End.Set(cause)
	if s.hooks.Abort != nil {
		s.hooks.Abort(cause)
	}
}

// broken aborts s because of a panic with v in a goroutine of the library. A further panic in the Abort hook is
// dropped; the first one matters.
func (s *Sink[T]) broken(v any) {
	defer func() { _ = recover() }()
	s.Abort(Recovered(v))
}

// Done returns a channel that is closed when nothing more is accepted: after Close, Abort or a failure.
func (s *Sink[T]) Done() <-chan struct{} { return s.hooks.End.Done() }

// OnDone registers f to be called, in its own goroutine, once Done is closed. stop unregisters f and reports whether it
// did so before the call.
func (s *Sink[T]) OnDone(f func()) (stop func() bool) { return s.hooks.End.OnDone(f) }

// End returns the end of the stream, for the SinkHooks.End of a Sink that leads to this one.
func (s *Sink[T]) End() *End { return s.hooks.End }

// Err returns why the stream ended. It is nil until then, and after a Close that sent everything.
func (s *Sink[T]) Err() error { return s.hooks.End.Err() }

// refusal is the error of a Send after the end.
func refusal(e *End) error {
	if err := e.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}
