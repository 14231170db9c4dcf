package chanio

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Sink is the sending half of a stream. All of its methods are for any goroutine at any time, and one value is never
// mixed with another (G10).
type Sink[T any] struct {
	hooks SinkHooks[T]
	end   atomic.Int32 // open, ended or closed

	mu     sync.Mutex
	err    error         // why it ended: nil after Close
	done   chan struct{} // made on demand; unused if hooks.Below has one
	closed chan struct{} // closed when Close has finished
	result error         // of Close
	view   *sinkView[T]  // the latest C
	onDone []*func()
	above  []settler // the sinks that lead to this one and have a channel, each once for its channel
}

// DefaultLinger is how long a close waits for a peer that takes nothing.
const DefaultLinger = 5 * time.Second

// NewSink returns a Sink made of hooks: the way to make an endpoint of one's own. It starts no goroutine. An endpoint
// that fails between two calls says so with [Sink.Abort].
func NewSink[T any](hooks SinkHooks[T]) *Sink[T] {
	if hooks.Send == nil {
		panic("chanio: NewSink: Send is nil")
	}
	if below, ok := hooks.Below.(interface {
		tail() (func() <-chan struct{}, time.Duration)
	}); ok && hooks.Released == nil {
		hooks.Released, hooks.Linger = below.tail()
	}
	return &Sink[T]{hooks: hooks}
}

// tail is what a Sink shares with one that leads to it.
func (s *Sink[T]) tail() (released func() <-chan struct{}, linger time.Duration) {
	return s.hooks.Released, s.hooks.Linger
}

// Send waits for room and accepts v. Once it has returned nil, v is in order and on its way within the coalescing delay
// of the connection; [Sink.Flush] and Close tell whether it left the process. ctx bounds only the wait: if it ends first,
// Send returns its cause and nothing of v is ever sent (G2). After Close it returns net.ErrClosed, after a failure that
// failure. An error that concerns only v, of a codec for instance, leaves the sink as it was. When Send returns, the sink
// no longer refers to v.
func (s *Sink[T]) Send(ctx context.Context, v T) error {
	if s.end.Load() != open {
		return s.refusal()
	}
	if err := s.hooks.Send(ctx, v); err != nil {
		return s.refused(ctx, err)
	}
	return nil
}

// TrySend accepts v if there is room for it now, and reports whether it did. It never blocks. The error is as for Send.
func (s *Sink[T]) TrySend(v T) (bool, error) {
	if s.end.Load() != open {
		return false, s.refusal()
	}
	if s.hooks.TrySend != nil {
		return s.hooks.TrySend(v)
	}
	err := s.hooks.Send(expired, v)
	if err != nil && isEndOf(expired, err) {
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
	if err := s.settleAll(ctx); err != nil {
		return err
	}
	if s.hooks.Flush == nil {
		return s.Err()
	}
	if err := s.hooks.Flush(ctx); err != nil {
		return s.refused(ctx, err)
	}
	return nil
}

// Cork says, if on is true, that more values will follow at once, so that the endpoint may hold them back, for no longer
// than its coalescing delay, and send many in one go. Cork(false) takes that back and sends what was held, without
// blocking. Calls nest. Connections cork themselves while their input is not exhausted, so few programs need it.
func (s *Sink[T]) Cork(on bool) {
	if s.hooks.Cork != nil {
		s.hooks.Cork(on)
	}
}

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
	_ = s.settleAbove(settler.settleWithin) // what fails there fails here too
	if !s.finish(closed, nil) {
		s.result = s.Err()
		return s.result
	}
	s.result = s.drain()
	return s.result
}

// drain passes on what the channel holds and closes the endpoint.
func (s *Sink[T]) drain() error {
	if err := s.settleWithin(); err != nil {
		return err
	}
	if s.hooks.Close == nil {
		return nil
	}
	err := s.hooks.Close()
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end.Load() != ended || s.err == nil { // otherwise an Abort has said why
		s.err = err
	}
	return s.err
}

// Abort discards what was accepted and not yet sent, and ends the stream with cause: blocked calls and later ones
// return it. Where one direction cannot be reset alone, Abort ends both (G5). A nil cause stands for net.ErrClosed.
func (s *Sink[T]) Abort(cause error) {
	if cause == nil {
		cause = net.ErrClosed
	}
	s.finish(ended, cause)
	if s.hooks.Abort != nil {
		s.hooks.Abort(cause)
	}
}

// Done is closed when nothing more is accepted: after Close, Abort or a failure.
func (s *Sink[T]) Done() <-chan struct{} {
	if s.hooks.Below != nil {
		return s.hooks.Below.Done()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.end.Load() != open {
			close(s.done)
		}
	}
	return s.done
}

// OnDone has f called when Done is closed, in the goroutine that ends the stream, so f must not block. If it has ended
// already, f is called now. The returned stop takes f back and reports whether it did so before the call. It is
// Manifold's on-closed.
func (s *Sink[T]) OnDone(f func()) (stop func() bool) {
	if s.hooks.Below != nil {
		return s.hooks.Below.OnDone(f)
	}
	key := &f
	if !s.remember(key) {
		f()
	}
	return func() bool { return s.forget(key) }
}

func (s *Sink[T]) remember(key *func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end.Load() != open {
		return false
	}
	s.onDone = append(s.onDone, key)
	return true
}

func (s *Sink[T]) forget(key *func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.onDone, key)
	if i < 0 {
		return false
	}
	s.onDone = slices.Delete(s.onDone, i, i+1)
	return true
}

// Bytes returns the buffer below a Sink of []byte, or nil if it takes whole values only.
func (s *Sink[T]) Bytes() ByteSink { return s.hooks.Bytes }

// Err tells why the stream ended: nil while it has not, and after a Close that sent everything.
func (s *Sink[T]) Err() error {
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	if err == nil && s.hooks.Below != nil {
		return s.hooks.Below.Err()
	}
	return err
}

// finish records the end of the stream, the first of its kind: an Abort may follow a Close.
func (s *Sink[T]) finish(how int32, err error) bool {
	s.mu.Lock()
	was := s.end.Load()
	if was == ended || was == how {
		s.mu.Unlock()
		return false
	}
	s.err = err
	s.end.Store(how)
	if was == open && s.done != nil {
		close(s.done)
	}
	waiting := s.onDone
	s.onDone = nil
	s.mu.Unlock()
	for _, f := range waiting {
		(*f)()
	}
	return true
}

// refusal is what a Send after the end is told.
func (s *Sink[T]) refusal() error {
	if err := s.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

// refused is what a call is told that the endpoint refused with err.
func (s *Sink[T]) refused(ctx context.Context, err error) error {
	if s.end.Load() != ended && isEndOf(ctx, err) {
		return context.Cause(ctx)
	}
	return err
}

// lingerError is what Close returns when the peer took nothing for d.
func lingerError(d time.Duration) error {
	return &net.OpError{Op: "close", Err: &timeoutError{"peer took nothing for " + d.String()}}
}

// timeoutError is a net.Error that is os.ErrDeadlineExceeded.
type timeoutError struct{ text string }

func (e *timeoutError) Error() string   { return e.text }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }
func (e *timeoutError) Unwrap() error   { return os.ErrDeadlineExceeded }
