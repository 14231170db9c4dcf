package chanio

import (
	"context"
	"io"
	"iter"
	"net"
	"sync"
	"sync/atomic"
)

// Source is the receiving half of a stream: values, then one end.
//
// A Source has one consumer. Recv, TryRecv, All, Values and C may be used in turn, from one goroutine after the other,
// but not by two at once: that panics with a message that names pipeline.Tee. A call whose ctx has ended no longer
// counts: the next consumer waits, within its own ctx, until the earlier one has let go. Close, Err, Done and OnDone are
// for any goroutine at any time.
type Source[T any] struct {
	hooks SourceHooks[T]
	end   *End
	use   atomic.Uint64 // who uses the Source; see claim.go
	loans uint64        // of the consumer
	aside atomic.Bool   // pull has more to look at than Next: something was put back, or the end

	mu     sync.Mutex
	back   []T                         // put back or left in a channel: received first
	view   *sourceView[T]              // the latest C
	rest   *chunks                     // for T = []byte: what lies in the byte view of a Source of chunks
	bound  <-chan struct{}             // Done of the consumer's ctx; written under mu by the consumer alone
	left   chan struct{}               // closed when the consumer lets go, if somebody waits for that
	owner  string                      // the stage that claimed this Source
	yield  func(context.Context) error // has that stage let go, or nil; see Upstream.Yields
	over   bool                        // a consumer has met the end
	closed bool                        // by Close
	told   bool                        // the Close hook has been called
	ranged error                       // why the last range ended, if its ctx ended it
}

// NewSource returns a Source made of hooks, for an endpoint or a stage. It starts no goroutine and calls none of the hooks
// yet.
func NewSource[T any](hooks SourceHooks[T]) *Source[T] {
	if hooks.Next == nil {
		panic("chanio: NewSource: Next is nil")
	}
	s := &Source[T]{hooks: hooks, end: hooks.End}
	if s.end == nil {
		s.end = new(End)
	}
	return s
}

// Recv returns the next value. It blocks until there is one, the stream ends, or ctx ends. After the last value of a
// stream that ended well it returns io.EOF, after Close net.ErrClosed, and otherwise why the stream failed; it goes on
// returning that. If ctx has ended, or ends first, it returns [Cause] of ctx and has taken nothing.
func (s *Source[T]) Recv(ctx context.Context) (v T, err error) {
	if !s.use.CompareAndSwap(vacant, taken) {
		if err = s.acquire(ctx); err != nil {
			return v, err
		}
	}
	if s.bound != ctx.Done() || s.aside.Load() {
		s.bind(ctx)
	}
	pulled := false
	defer func() {
		if !pulled {
			s.crash(recover())
		} else if !s.use.CompareAndSwap(taken, vacant) {
			s.release()
		}
	}()
	v, err = s.pull(ctx)
	pulled = true
	return v, err
}

// TryRecv returns the next value if that needs no wait and no read. ok is false if there is none now; err then says
// whether the stream is known to have ended, as Recv does. A Source whose endpoint cannot tell (see SourceHooks.TryNext)
// has never a value at hand.
func (s *Source[T]) TryRecv() (v T, ok bool, err error) {
	if !s.use.CompareAndSwap(vacant, taken) {
		if s.acquire(expired) != nil {
			return v, false, nil // the consumer before is about to let go
		}
	}
	s.bind(expired)
	pulled := false
	defer func() {
		if !pulled {
			s.crash(recover())
			return
		}
		s.release()
	}()
	v, ok, err = s.tryPull()
	pulled = true
	return v, ok, err
}

// All returns an iterator over the values of s. It ends when the stream or ctx ends; Err then says which and why.
// Leaving the loop early closes nothing. The loop runs in the caller's goroutine and is the consumer of s until it ends;
// its body may close s, but not receive from it while ctx lives.
func (s *Source[T]) All(ctx context.Context) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v, err := range s.Values(ctx) {
			if err != nil || !yield(v) {
				return
			}
		}
	}
}

// Values is All with the reason of the end: if that is not a clean end, the last pair of the iterator is a zero value
// and the error that Recv would have returned.
func (s *Source[T]) Values(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := s.acquire(ctx); err != nil {
			s.setRanged(err)
			yield(none, err)
			return
		}
		s.bind(ctx)
		s.setRanged(nil)
		pulling, turn := true, uint64(0)
		defer func() {
			switch {
			case pulling:
				s.crash(recover())
			case turn != 0:
				s.takeBack(turn, vacant)
			}
		}()
		for {
			v, err := s.pull(ctx)
			pulling = false
			if err != nil {
				s.setRanged(err)
				s.release()
				if err != io.EOF {
					yield(none, err)
				}
				return
			}
			turn = s.lend()
			if !yield(v, nil) {
				return
			}
			back := s.takeBack(turn, taken)
			turn = 0
			if !back { // the loop had ended, and another consumer has come
				if err = Cause(ctx); s.end.Ended() {
					err = s.endError()
				}
				s.setRanged(err)
				if err != io.EOF {
					yield(none, err)
				}
				return
			}
			pulling = true
		}
	}
}

// Err tells why the last range over C, All or Values ended: nil after a clean end, [Cause] of ctx if ctx ended it. Once
// the stream itself has ended, Err is its end: nil if clean, net.ErrClosed if closed here, otherwise its failure.
func (s *Source[T]) Err() error {
	if s.end.Ended() {
		return s.end.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ranged
}

// Done is closed when the stream has ended: when a receiver has met its end, or it was closed here. Values may still
// lie in a channel that C gave out; range to its end to have them.
func (s *Source[T]) Done() <-chan struct{} { return s.end.Done() }

// OnDone has f called, in a goroutine of its own, once Done is closed. stop takes f back and reports whether it did so
// before the call.
func (s *Source[T]) OnDone(f func()) (stop func() bool) { return s.end.OnDone(f) }

// Close tells the producer that no more is wanted, at once, also when it is idle. A blocked Recv returns net.ErrClosed, a
// channel from C is closed, and values that were not received are dropped, or handed to the endpoint if they must be
// closed. It is idempotent.
func (s *Source[T]) Close() error {
	endedWell := !s.end.Set(net.ErrClosed) && s.end.Err() == nil
	s.mu.Lock()
	left := s.back
	s.back, s.closed = nil, true
	s.aside.Store(true)
	s.mu.Unlock()
	s.undelivered(left)
	if endedWell {
		return nil
	}
	return s.tellClosed()
}

// undelivered hands values to the hook of that name.
func (s *Source[T]) undelivered(values []T) {
	if s.hooks.Undelivered != nil {
		for _, v := range values {
			s.hooks.Undelivered(v)
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
func (s *Source[T]) pull(ctx context.Context) (T, error) {
	if s.aside.Load() {
		if v, ok, err := s.pullAside(ctx); ok || err != nil {
			return v, err
		}
	}
	v, err := s.hooks.Next(ctx)
	if err != nil {
		err = s.fail(ctx, err)
	}
	return v, err
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
	switch {
	case s.closed:
		return v, false, s.endError()
	case s.rest != nil && len(s.rest.buf) > 0:
		return any(s.rest.take()).(T), true, nil
	case len(s.back) > 0:
		v = s.back[0]
		clear(s.back[:1])
		s.back = s.back[1:]
		return v, true, nil
	case s.over:
		return v, false, s.endError()
	}
	s.back = nil
	s.aside.Store(s.rest != nil)
	return v, false, nil
}

// fail judges an error of the endpoint: if it concerns only the call, the stream goes on, otherwise it has ended. fail
// returns what the consumer is told.
func (s *Source[T]) fail(ctx context.Context, err error) error {
	if s.end.Open() && (Resumable(ctx, err) || s.hooks.End != nil) {
		return callError(ctx, err)
	}
	return s.finish(err)
}

// finish ends the stream with err, unless it has ended, and returns how it has.
func (s *Source[T]) finish(err error) error {
	if err == io.EOF {
		s.end.Set(nil)
	} else {
		s.end.Set(err)
	}
	s.mu.Lock()
	s.over = true
	s.aside.Store(true)
	s.mu.Unlock()
	if err = s.endError(); err != io.EOF {
		_ = s.tellClosed() // the failure is what matters
	}
	return err
}

// endError is the end of the stream as Recv returns it.
func (s *Source[T]) endError() error {
	if err := s.end.Err(); err != nil {
		return err
	}
	return io.EOF
}

// callError is err of a call that ctx bounded, with the cause of ctx in the place of its error.
func callError(ctx context.Context, err error) error {
	if ctx.Err() != nil && Resumable(ctx, err) {
		return Cause(ctx)
	}
	return err
}

// crash ends the stream and lets it go, because a hook did not return: it panicked with v, or called runtime.Goexit if v
// is nil. The panic goes on.
func (s *Source[T]) crash(v any) {
	defer s.release()
	s.broken(v)
	if v != nil {
		panic(v)
	}
}

// broken ends the stream because of a panic with v. What the Close hook may panic with then is dropped: the first panic
// is what matters.
func (s *Source[T]) broken(v any) {
	defer func() { _ = recover() }()
	_ = s.finish(Recovered(v))
}

func (s *Source[T]) setRanged(err error) {
	if err == io.EOF {
		err = nil
	}
	s.mu.Lock()
	s.ranged = err
	s.mu.Unlock()
}
