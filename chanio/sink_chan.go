package chanio

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// sinkView is a Sink seen as a channel, and the goroutine that empties it.
type sinkView[T any] struct {
	ch     chan T
	bound  <-chan struct{}    // of its ctx
	settle chan chan struct{} // asks for what ch holds to be passed on, and is told when that is done
	passed chan struct{}      // closed when nothing more is passed on
	prev   *sinkView[T]       // what it holds comes first
	moved  atomic.Int64       // values passed on
	over   atomic.Bool        // passed is closed
}

// pass notes that nothing more is passed on. It is called by the goroutine of C.
func (v *sinkView[T]) pass() {
	if !v.over.Swap(true) {
		close(v.passed)
	}
}

// settler is a Sink of whatever type. One whose values end up in another (SinkHooks.Below) tells that when it has a
// channel, because to close or flush the lower one is to pass on what the channel above it holds.
type settler interface {
	adopt(above settler)
	disown(above settler)
	settleAll(ctx context.Context) error
	settleWithin() error
}

func (s *Sink[T]) adopt(above settler) {
	s.mu.Lock()
	s.above = append(s.above, above)
	s.mu.Unlock()
	if below, ok := s.hooks.Below.(settler); ok {
		below.adopt(s)
	}
}

func (s *Sink[T]) disown(above settler) {
	s.mu.Lock()
	if i := slices.Index(s.above, above); i >= 0 {
		s.above = slices.Delete(s.above, i, i+1)
	}
	s.mu.Unlock()
	if below, ok := s.hooks.Below.(settler); ok {
		below.disown(s)
	}
}

// settleAbove settles the sinks that lead to s.
func (s *Sink[T]) settleAbove(settle func(settler) error) error {
	s.mu.Lock()
	above := slices.Clone(s.above)
	s.mu.Unlock()
	for _, a := range above {
		if err := settle(a); err != nil {
			return err
		}
	}
	return nil
}

// settleAll returns when what the channels of s and of the sinks that lead to it hold has been passed on.
func (s *Sink[T]) settleAll(ctx context.Context) error {
	if err := s.settleAbove(func(a settler) error { return a.settleAll(ctx) }); err != nil {
		return err
	}
	return s.settle(ctx)
}

// C returns a channel with a capacity of 16 whose values are sent to s. A completed send on it counts as accepted: Flush,
// Close, the return of a handler and the end of ctx all pass on what the channel holds at that moment. Later values are
// received and discarded, so that a bare send never hangs, until the channel is closed or the connection is released
// (without a connection, until ctx ends). Closing the channel means [Sink.Close]; only a sole sender does that.
//
// C starts a goroutine, which ends when the channel is closed or the connection released, otherwise with ctx. Called
// again with the same ctx, or one with the same Done channel, C returns the same channel while that lives; with another
// ctx it panics. After Close it returns a channel that discards. A value that the endpoint refuses, such as one that
// its codec cannot encode, closes s: Err says why. C and Send are not ordered with each other.
func (s *Sink[T]) C(ctx context.Context) chan<- T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.view; v != nil && s.end.Load() == open && !isClosed(v.passed) && !isClosed(v.bound) {
		if v.bound != ctx.Done() {
			panic("chanio: this Sink already has a channel, from C with another ctx that has not ended; goroutines may share it, or use Send")
		}
		return v.ch
	}
	v := &sinkView[T]{
		ch: make(chan T, chanSize), bound: ctx.Done(), prev: s.view,
		settle: make(chan chan struct{}), passed: make(chan struct{}),
	}
	if s.end.Load() != open {
		v.pass()
	}
	s.view = v
	if below, ok := s.hooks.Below.(settler); ok {
		below.adopt(s)
	}
	go s.empty(ctx, v)
	return v.ch
}

// empty is the goroutine of C.
func (s *Sink[T]) empty(ctx context.Context, v *sinkView[T]) {
	closed := s.passAll(ctx, v) || s.discard(ctx, v)
	if below, ok := s.hooks.Below.(settler); ok {
		below.disown(s)
	}
	if closed {
		_ = s.Close() // its result is kept for the next Close
	}
}

// passAll passes values on until the channel is closed, which it reports, or ctx or s ends.
func (s *Sink[T]) passAll(ctx context.Context, v *sinkView[T]) (closed bool) {
	defer v.pass()
	defer s.rescue(v)
	if v.prev != nil {
		<-v.prev.passed
		v.prev = nil
	}
	if isClosed(v.passed) {
		return false // made after the end
	}
	done := s.Done()
	for {
		select {
		case x, ok := <-v.ch:
			if !ok {
				return true
			}
			if err := s.passRun(ctx, v, x); err != nil {
				s.passRest(v)
				return false
			}
		case settled := <-v.settle:
			s.passRest(v)
			close(settled)
			if s.end.Load() != open {
				return false
			}
		case <-ctx.Done():
			s.passRest(v)
			return false
		case <-done:
			if s.end.Load() != ended {
				s.passRest(v)
			}
			return false
		}
	}
}

// rescue ends the stream if the endpoint panicked in the goroutine of C.
func (s *Sink[T]) rescue(v *sinkView[T]) {
	if x := recover(); x != nil {
		s.Abort(Recovered(x))
	}
}

// runMax bounds how many values are passed on in one go, so that Flush and Close have their turn.
const runMax = 256

// passRun passes on x and what follows it in the channel, in one go. What ctx stopped is passed on all the same.
func (s *Sink[T]) passRun(ctx context.Context, v *sinkView[T], x T) error {
	if len(v.ch) > 0 {
		s.Cork(true)
		defer s.Cork(false)
	}
	for n := 1; ; n++ {
		err := s.hooks.Send(ctx, x)
		if err != nil && isEndOf(ctx, err) {
			err = s.passLate(x)
		}
		if err != nil {
			s.refuse(v, err)
			return err
		}
		v.moved.Add(1)
		if len(v.ch) == 0 || n == runMax {
			return nil
		}
		x = <-v.ch
	}
}

// passRest passes on what the channel holds now, without regard to ctx.
func (s *Sink[T]) passRest(v *sinkView[T]) {
	s.Cork(true)
	defer s.Cork(false)
	for n := len(v.ch); n > 0; n-- {
		x, ok := <-v.ch
		if !ok {
			return
		}
		if err := s.passLate(x); err != nil {
			s.refuse(v, err)
			return
		}
		v.moved.Add(1)
	}
}

// passLate sends x within the linger bound.
func (s *Sink[T]) passLate(x T) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.linger(), lingerError(s.linger()))
	defer cancel()
	err := s.hooks.Send(ctx, x)
	if err != nil && isEndOf(ctx, err) {
		s.Abort(context.Cause(ctx))
	}
	return err
}

// refuse ends the stream because err kept a value of the channel from being sent: there is nobody else to tell.
// What was accepted before is still sent.
func (s *Sink[T]) refuse(v *sinkView[T], err error) {
	v.pass()
	if s.end.Load() == open && s.finish(ended, err) && s.hooks.Close != nil {
		_ = s.hooks.Close()
	}
}

// discard receives and drops values until the channel is closed, which it reports, or nobody can send any more.
func (s *Sink[T]) discard(ctx context.Context, v *sinkView[T]) (closed bool) {
	released := ctx.Done()
	if s.hooks.Released != nil {
		released = s.hooks.Released()
	}
	for {
		select {
		case _, ok := <-v.ch:
			if !ok {
				return true
			}
		case <-released:
			return false
		}
	}
}

// settleWithin is settle with the linger bound in the place of ctx: for as long as values move it waits.
func (s *Sink[T]) settleWithin() error {
	if err := s.settleAbove(settler.settleWithin); err != nil {
		return err
	}
	s.mu.Lock()
	v := s.view
	s.mu.Unlock()
	for v != nil {
		before := v.moved.Load()
		ctx, cancel := context.WithTimeout(context.Background(), s.linger())
		err := s.settle(ctx)
		cancel()
		if err == nil {
			break
		}
		if v.moved.Load() == before {
			err = lingerError(s.linger())
			s.Abort(err)
			return err
		}
	}
	return nil
}

// settle returns when what the channel of C holds has been passed on.
func (s *Sink[T]) settle(ctx context.Context) error {
	s.mu.Lock()
	v := s.view
	s.mu.Unlock()
	if v == nil || isClosed(v.passed) {
		return nil
	}
	settled := make(chan struct{})
	select {
	case v.settle <- settled:
	case <-v.passed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-settled:
		return nil
	case <-v.passed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Sink[T]) linger() time.Duration {
	if s.hooks.Linger > 0 {
		return s.hooks.Linger
	}
	return DefaultLinger
}
