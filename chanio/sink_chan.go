package chanio

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// sinkView is a Sink seen as a channel, and the goroutine that empties it.
//
// The goroutine passes values on until the channel is closed, or ctx or the stream ends. From then on, passed is closed
// and it discards what comes, until the channel is closed or no more sends are possible; gone is closed then.
type sinkView[T any] struct {
	s      *Sink[T]
	ch     chan T
	bound  <-chan struct{}    // Done of its ctx
	settle chan chan struct{} // requests that the values in ch be sent; the sent channel is closed after that
	passed chan struct{}
	gone   chan struct{}
	closed atomic.Bool  // the channel has been closed
	prev   *sinkView[T] // its values come first
	stop   func()       // takes settled back

	refused bool // a value was refused, so the half will be closed; used by the goroutine
}

// C returns a channel with a capacity of 16 whose values are sent to s. A completed send on it counts as accepted:
// Flush, Close, the return of a handler and the end of ctx all send what the channel holds at that moment. Later values
// are received and discarded until the channel is closed or the connection is released (without a connection, until ctx
// ends). After that the channel has room for 16 values, and the next send blocks forever: call C for each value, or wait
// for Done in the same select. Closing the channel has the effect of [Sink.Close]; only a sole sender may do that.
//
// C starts a goroutine, which ends when the channel is closed or the connection is released, otherwise with ctx. Called
// again with the same ctx, or one with the same Done channel, C returns the same channel while that is in use; with
// another ctx it panics, unless the first has ended. After the end of the stream it returns a channel that discards, a
// new one if need be. A value that the endpoint rejects, such as one that its codec cannot encode, ends s after the
// values accepted before it, and Err returns why. C and Send are not ordered relative to each other.
func (s *Sink[T]) C(ctx context.Context) chan<- T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.view; v != nil && v.isLive(ctx.Done()) {
		if v.bound != ctx.Done() && s.hooks.End.Open() {
			panic("chanio: this Sink already has a channel, from C with another ctx that has not ended; goroutines may share it, or use Send")
		}
		return v.ch
	}
	v := &sinkView[T]{
		s: s, ch: make(chan T, chanSize), bound: ctx.Done(), prev: s.view,
		settle: make(chan chan struct{}), passed: make(chan struct{}), gone: make(chan struct{}),
	}
	s.view = v
	v.stop = s.hooks.End.BeforeClose(v.settled)
	go v.empty(ctx)
	return v.ch
}

// isLive reports whether the channel of v may be returned again to a call with that ctx: it sends values or, after the
// end of the stream or of that ctx, discards them.
func (v *sinkView[T]) isLive(bound <-chan struct{}) bool {
	discards := !v.closed.Load() && !deadline.Ended(v.gone)
	if !deadline.Ended(v.bound) {
		return discards && (!v.s.hooks.End.Open() || !deadline.Ended(v.passed))
	}
	return discards && v.s.hooks.End.Released != nil && (v.bound == bound || !v.s.hooks.End.Open())
}

// empty is the goroutine of C.
func (v *sinkView[T]) empty(ctx context.Context) {
	defer v.leave()
	closed := v.passAll(ctx)
	v.stop()
	closing := make(chan struct{})
	if v.refused {
		go v.closeSink(closing) // drains what was accepted before
	} else {
		close(closing)
	}
	if closed || v.discard(ctx) {
		v.closed.Store(true)
		v.closeSink(make(chan struct{}))
	}
	<-closing
}

// closeSink closes the Sink, and then done, in a goroutine of the library. The result is kept for the next Close, also if
// that is a panic.
func (v *sinkView[T]) closeSink(done chan struct{}) {
	defer close(done)
	contain(func() { _ = v.s.Close() }, func(any) {})
}

// passAll sends values until the channel is closed, which it reports, or ctx or the stream ends.
func (v *sinkView[T]) passAll(ctx context.Context) (closed bool) {
	defer close(v.passed)
	if v.prev != nil {
		<-v.prev.passed
		v.prev = nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer v.s.hooks.End.OnDone(cancel)() // a wait for room then continues within the linger bound
	contain(func() { closed = v.passEach(ctx) }, v.s.broken)
	return closed
}

func (v *sinkView[T]) passEach(ctx context.Context) (closed bool) {
	done, batch := v.s.Done(), make([]T, 0, chanSize+1)
	for v.s.hooks.End.Open() {
		ok := true
		select {
		case x, open := <-v.ch:
			if !open {
				return true
			}
			ok = v.pass(ctx, append(batch, x))
		case settled := <-v.settle:
			ok = v.pass(ctx, batch)
			close(settled)
		case <-ctx.Done():
			_ = v.pass(ctx, batch)
			return false
		case <-done:
		}
		if !ok {
			return false
		}
	}
	return false
}

// pass sends values and what the channel holds behind them. Values left when ctx ends or a deadline passes were
// accepted before that, so they are sent for as long as that makes progress. pass reports whether more can be sent.
func (v *sinkView[T]) pass(ctx context.Context, values []T) bool {
	if values = v.appendHeld(values); len(values) == 0 {
		return true
	}
	defer clear(values)
	n, err := v.s.sendAll(ctx, values)
	if err == nil || !Resumable(ctx, err) || v.s.hooks.End.Ended() {
		return v.accepted(n, err)
	}
	linger, stop := v.s.hooks.End.Lingering()
	defer stop()
	ended := ctx.Err() != nil // if not, the channel may hold more when it does
	rest := v.appendHeld(append([]T(nil), values[n:]...))
	for {
		n, err = v.s.sendAll(linger, rest)
		if err == nil || !Resumable(linger, err) {
			return v.accepted(n, err) && v.s.hooks.End.Open() && !ended
		}
		if rest = rest[n:]; n > 0 {
			v.s.hooks.End.Advance()
		}
		select { // a write deadline has passed, which does not count for accepted values
		case <-linger.Done():
			v.s.Abort(callError(linger, err))
			return false
		case <-time.After(deadlinePause):
		}
	}
}

// deadlinePause is the time between attempts to send accepted values after a write deadline.
const deadlinePause = 5 * time.Millisecond

// appendHeld appends what the channel holds now.
func (v *sinkView[T]) appendHeld(values []T) []T {
	for n := len(v.ch); n > 0; n-- {
		x, ok := <-v.ch
		if !ok {
			break // the next receive finds that too
		}
		values = append(values, x)
	}
	return values
}

// accepted records that n values were accepted, and handles an error of the endpoint. One that concerns a value ends
// the stream, because no caller could receive it; the Close that follows still sends what was accepted before.
func (v *sinkView[T]) accepted(n int, err error) bool {
	if err != nil {
		v.refused = v.s.hooks.End.BeginClose(err)
	} else if n > 0 {
		v.s.hooks.End.Advance()
	}
	return err == nil
}

// discard receives and drops values until the channel is closed, which it reports, or no more sends are possible.
func (v *sinkView[T]) discard(ctx context.Context) (closed bool) {
	released := v.s.hooks.End.Released
	if released == nil {
		released = ctx.Done()
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

// leave ends the goroutine's part in the channel, and drops what it holds, so that a send that waited for room succeeds.
// C returns the channel to nobody else then.
func (v *sinkView[T]) leave() {
	close(v.gone)
	for {
		select {
		case _, ok := <-v.ch:
			if !ok {
				return
			}
		default:
			return
		}
	}
}

// settled waits until what the channel holds has been sent.
func (v *sinkView[T]) settled(ctx context.Context) error {
	done := make(chan struct{})
	for asked := false; ; asked = true {
		ask := v.settle
		if asked {
			ask = nil
		}
		select {
		case ask <- done:
		case <-done:
			return nil
		case <-v.passed:
			return nil
		case <-ctx.Done():
			return Cause(ctx)
		}
	}
}
