package chanio

import (
	"context"
	"io"
	"iter"
	"net"
	"sync"
	"sync/atomic"
)

// Source is the receiving half of a stream. It yields values and then ends once.
//
// A Source has one consumer. Recv, TryRecv, All, Values and C may be used one after the other, also by different
// goroutines, but not by two at once: that panics with a message that recommends pipeline.Tee. A call whose ctx has
// ended no longer counts: the next consumer waits, within its own ctx, until the earlier one has returned. Close, Err,
// Done and OnDone may be called by any goroutine at any time.
type Source[T any] struct {
	hooks SourceHooks[T] // with an End
	turn  turn
	aside atomic.Bool // pull must check more than Next: values put back, or the end

	mu     sync.Mutex
	ownEnd bool                        // the End is the Source's, and not the endpoint's
	over   bool                        // a consumer has met the end
	closed bool                        // by Close
	cut    bool                        // which has dropped values
	told   bool                        // the Close hook has been called
	yield  func(context.Context) error // makes the stage that owns the Source release it, or nil; see Upstream.Yields
	extra  *sourceExtra[T]             // made on demand, so that an idle Source is small
}

// sourceExtra is the part of a Source that few have.
type sourceExtra[T any] struct {
	back   []T            // put back: received first
	front  int            // how many of back come before rest
	view   *sourceView[T] // the latest C, until what it left in its channel has been taken back
	rest   *chunks        // for T = []byte: what lies in the byte view of a Source of chunks
	ranged error          // why the last range ended, if its ctx ended it
}

func (s *Source[T]) extraLocked() *sourceExtra[T] {
	if s.extra == nil {
		s.extra = new(sourceExtra[T])
	}
	return s.extra
}

// NewSource returns a Source made of hooks, for an endpoint or a stage. It starts no goroutine and calls no hook yet.
func NewSource[T any](hooks SourceHooks[T]) *Source[T] {
	if hooks.Next == nil {
		panic("chanio: NewSource: Next is nil")
	}
	if (hooks.Lend == nil) != (hooks.Unlend == nil) {
		panic("chanio: NewSource: only one of Lend and Unlend is nil")
	}
	if hooks.Await != nil && hooks.Lend == nil {
		panic("chanio: NewSource: Await without Lend")
	}
	s := &Source[T]{hooks: hooks}
	if hooks.End == nil {
		s.hooks.End, s.ownEnd = new(End), true
	}
	return s
}

// Recv returns the next value. It blocks until there is one, the stream ends, or ctx ends. After the end of the stream
// it returns io.EOF if the end was clean, net.ErrClosed after Close, and otherwise the failure, on every call. If ctx
// ends first or has ended already, Recv returns [Cause] of ctx and has consumed nothing.
func (s *Source[T]) Recv(ctx context.Context) (v T, err error) {
	c := s.turn.now.Load()
	if c == nil || c.done != ctx.Done() || !c.state.CompareAndSwap(vacant, taken) {
		if c, err = s.turn.enter(ctx, s.hooks.End); err != nil {
			return v, err
		}
	}
	pulled := false
	defer func() {
		if !pulled {
			crash(s, c, recover())
		} else if !c.state.CompareAndSwap(taken, vacant) {
			s.turn.leave(c, vacant)
		}
	}()
	if s.aside.Load() {
		err = pullFirst(ctx, s, &v)
	} else if v, err = s.hooks.Next(ctx); err != nil { // as pull, whose stack frame is not needed while an idle consumer waits
		err = s.fail(ctx, err)
	}
	pulled = true
	return v, err
}

// TryRecv returns the next value if that needs no wait and no read. If there is none, ok is false, and err is nil or,
// if the stream is known to have ended, the error that Recv would return. A Source whose endpoint does not support this
// (see SourceHooks.TryNext) never has a value at hand.
func (s *Source[T]) TryRecv() (v T, ok bool, err error) {
	c := s.turn.now.Load() // its ctx does not matter, because this does not wait
	if c == nil || !c.state.CompareAndSwap(vacant, taken) {
		if c, err = s.turn.enter(trying, s.hooks.End); err != nil {
			return v, false, nil // the previous consumer is about to leave
		}
	}
	pulled := false
	defer func() {
		if !pulled {
			crash(s, c, recover())
			return
		}
		s.turn.leave(c, vacant)
	}()
	v, ok, err = s.tryPull()
	pulled = true
	return v, ok, err
}

// All returns an iterator over the values of s. It ends when the stream or ctx ends; Err then returns the reason.
// Breaking out of the loop closes nothing. The loop runs in the caller's goroutine and is the consumer of s until it
// ends. Its body may close s but must not receive from it, except after ctx has ended.
func (s *Source[T]) All(ctx context.Context) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v, err := range s.Values(ctx) {
			if err != nil || !yield(v) {
				return
			}
		}
	}
}

// Values is All with errors: unless the end is clean, the last pair of the iterator is a zero value and the error that
// Recv would return.
func (s *Source[T]) Values(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ended := func(err error) {
			if err != io.EOF {
				var none T
				yield(none, err)
			}
		}
		c, err := s.turn.enter(ctx, s.hooks.End)
		s.setRanged(err)
		if err != nil {
			ended(err)
			return
		}
		pulling := true
		defer func() {
			if pulling {
				crash(s, c, recover())
			} else {
				c.state.CompareAndSwap(inBody, vacant) // the body has left the loop
			}
		}()
		for {
			v, err := s.pull(ctx)
			pulling = false
			if err != nil {
				s.setRanged(err)
				s.turn.leave(c, vacant)
				ended(err)
				return
			}
			s.turn.leave(c, inBody)
			if !yield(v, nil) {
				return
			}
			if pulling = c.state.CompareAndSwap(inBody, taken); !pulling { // the loop had ended and another consumer has replaced it
				if err = Cause(ctx); s.hooks.End.Ended() {
					s.mu.Lock()
					err = s.endLocked()
					s.mu.Unlock()
				}
				s.setRanged(err)
				ended(err)
				return
			}
		}
	}
}

// Err returns why the last range over C, All or Values ended: nil after a clean end, [Cause] of ctx if ctx ended it.
// Once the stream itself has ended, Err returns nil if the end was clean, net.ErrClosed if s was closed, also after its
// end if values were dropped, and otherwise the failure.
func (s *Source[T]) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.hooks.End.Ended():
		if err := s.endLocked(); err != io.EOF {
			return err
		}
		return nil
	case s.extra == nil:
		return nil
	}
	return s.extra.ranged
}

// Done returns a channel that is closed when the stream has ended: when a receiver has reached its end, or s was
// closed. Values may remain in a channel returned by C; range over it to the end to receive them.
func (s *Source[T]) Done() <-chan struct{} { return s.hooks.End.Done() }

// OnDone registers f to be called, in its own goroutine, once Done is closed. stop unregisters f and reports whether it
// did so before the call.
func (s *Source[T]) OnDone(f func()) (stop func() bool) { return s.hooks.End.OnDone(f) }

// Close tells the producer that no more values are wanted, at once, even if the stream is idle. A blocked Recv returns
// net.ErrClosed, a channel from C is closed, and values not received are dropped, or returned to the endpoint if they
// must be closed. What a channel from C holds can still be received from it until the next Recv, All or C. Close is
// idempotent.
func (s *Source[T]) Close() error {
	endedWell := !s.hooks.End.Set(net.ErrClosed) && s.hooks.End.Err() == nil
	s.mu.Lock()
	var left []T
	if s.extra != nil {
		left, s.extra.back, s.extra.front = s.extra.back, nil, 0
	}
	s.closed, s.cut = true, s.cut || len(left) > 0
	s.aside.Store(true)
	s.mu.Unlock()
	s.hooks.undelivered(left...)
	if endedWell {
		return nil
	}
	return s.tellClosed()
}

// undelivered passes values to the Undelivered hook.
func (h *SourceHooks[T]) undelivered(values ...T) {
	if h.Undelivered != nil {
		for _, v := range values {
			h.Undelivered(v)
		}
	}
}

// tellClosed calls the Close hook, the first time.
func (s *Source[T]) tellClosed() error {
	s.mu.Lock()
	told := s.told
	s.told = true
	s.mu.Unlock()
	if told || s.hooks.Close == nil {
		return nil
	}
	return s.hooks.Close()
}

// pull returns the next value to the consumer.
func (s *Source[T]) pull(ctx context.Context) (v T, err error) {
	if s.aside.Load() {
		err = pullFirst(ctx, s, &v)
		return v, err
	}
	if v, err = s.hooks.Next(ctx); err != nil {
		err = s.fail(ctx, err)
	}
	return v, err
}

// pullFirst sets v to the next value of s, which may have been put back. It is apart because an idle consumer waits in pull.
//
//go:noinline
func pullFirst[T any](ctx context.Context, s *Source[T], v *T) (err error) {
	var ok bool
	if *v, ok, err = s.pullAside(ctx); ok || err != nil {
		return err
	}
	if *v, err = s.hooks.Next(ctx); err != nil {
		err = s.fail(ctx, err)
	}
	return err
}

// tryPull is pull for a consumer that does not wait.
func (s *Source[T]) tryPull() (v T, ok bool, err error) {
	if s.aside.Load() {
		if v, ok, err = s.pullAside(context.Background()); ok || err != nil {
			return v, ok, err
		}
	}
	if s.hooks.TryNext == nil {
		return v, false, nil
	}
	if v, ok, err = s.hooks.TryNext(); err != nil {
		err = s.fail(context.Background(), err)
	}
	return v, ok, err
}

// pullAside returns what was put back, or the end. ok and err are zero if there is neither.
func (s *Source[T]) pullAside(ctx context.Context) (v T, ok bool, err error) {
	if ctx.Err() != nil {
		return v, false, Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reclaimLocked()
	x := s.extra
	switch {
	case s.closed:
		s.cut = s.cut || x != nil && x.rest != nil && len(x.rest.buf) > 0
		return v, false, s.endLocked()
	case x != nil && x.front == 0 && x.rest != nil && len(x.rest.buf) > 0:
		return any(x.rest.take()).(T), true, nil
	case x != nil && len(x.back) > 0:
		v = x.back[0]
		clear(x.back[:1])
		x.back, x.front = x.back[1:], max(x.front-1, 0)
		if x.rest != nil && len(x.rest.buf) == 0 {
			x.front = 0 // rest may be about to take v, and then comes before the others
		}
		return v, true, nil
	case s.over:
		return v, false, endError(s.hooks.End)
	}
	if x != nil {
		x.back = nil
	}
	s.aside.Store(x != nil && x.rest != nil)
	return v, false, nil
}

// fail handles an error of the endpoint. The stream continues if the error concerns only this call, and ends otherwise.
// fail returns the error for the consumer.
func (s *Source[T]) fail(ctx context.Context, err error) error {
	if s.hooks.End.Open() && (Resumable(ctx, err) || !s.ownEnd) || ctx.Err() != nil && Resumable(ctx, err) && !s.isClosed() {
		return callError(ctx, err) // after the end, bytes from before it may be left
	}
	return s.finish(err)
}

func (s *Source[T]) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// finish ends the stream with err, unless it has ended already, and returns its end.
func (s *Source[T]) finish(err error) error {
	if err == io.EOF {
		s.hooks.End.Set(nil)
	} else {
		s.hooks.End.Set(err)
	}
	s.mu.Lock()
	s.over = true
	s.aside.Store(true)
	s.mu.Unlock()
	if err = endError(s.hooks.End); err != io.EOF {
		_ = s.tellClosed() // the failure is returned instead
	}
	return err
}

// endError is the end of a stream as Recv returns it.
func endError(e *End) error {
	if err := e.Err(); err != nil {
		return err
	}
	return io.EOF
}

// endLocked is endError of s. Its end was not clean if Close has then dropped values from before it.
func (s *Source[T]) endLocked() error {
	if err := endError(s.hooks.End); err != io.EOF || !s.cut {
		return err
	}
	return net.ErrClosed
}

// callError returns err, or the cause of ctx if err is the error of ctx.
func callError(ctx context.Context, err error) error {
	if ctx.Err() != nil && Resumable(ctx, err) {
		return Cause(ctx)
	}
	return err
}

// crash ends s and the turn of c because a hook did not return: it panicked with v, or called runtime.Goexit if v is
// nil. The panic propagates.
func crash[T any](s *Source[T], c *consumer, v any) {
	defer s.turn.leave(c, vacant)
	s.broken(v)
	if v != nil {
		panic(v)
	}
}

// broken ends the stream because of a panic with v. A further panic in the Close hook is dropped; the first one
// matters.
func (s *Source[T]) broken(v any) {
	defer func() { _ = recover() }()
	_ = s.finish(Recovered(v))
}

func (s *Source[T]) setRanged(err error) {
	if err == io.EOF {
		err = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.extra != nil {
		s.extraLocked().ranged = err
	}
}
