package chanio

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"sync"
	"sync/atomic"
)

// Source is the receiving half of a stream: values, then one end.
//
// A Source has one consumer. Recv, All and C may be used in turn, from one goroutine after the other, but not by two at
// once: that panics with a message that names pipeline.Tee. A call whose ctx has ended no longer counts: the next
// consumer waits until it has let go. Close, Err and Done are for any goroutine at any time.
type Source[T any] struct {
	hooks SourceHooks[T]
	busy  atomic.Int32 // vacant, taken, awaited or owned
	end   atomic.Int32 // open, ended or closed; err is valid beyond open

	// Owned by the consumer.
	back []T // taken from next, not delivered: they come first

	mu     sync.Mutex
	bound  <-chan struct{} // of the consumer's ctx; written under mu by the consumer alone
	left   chan struct{}   // closed when the consumer lets go, if somebody waits for that
	owner  string          // the stage that claimed this Source
	view   *sourceView[T]  // the latest C
	err    error           // why the stream ended
	ranged error           // why the last range ended, if its ctx ended it
	done   chan struct{}
}

// Who uses a Source.
const (
	vacant  = iota
	taken   // by one call
	awaited // by one call, and another waits for it to let go
	owned   // by a stage, for good
)

// How a Source or a Sink stands.
const (
	open = iota
	ended
	closed
)

// NewSource returns a Source made of hooks: the way to make an endpoint or a stage of one's own.
// It starts no goroutine and calls none of the hooks yet.
func NewSource[T any](hooks SourceHooks[T]) *Source[T] {
	if hooks.Next == nil {
		panic("chanio: NewSource: Next is nil")
	}
	return &Source[T]{hooks: hooks}
}

// Recv returns the next value. It blocks until there is one, the stream ends, or ctx ends. After the last value of a
// stream that ended well it returns io.EOF, after Close net.ErrClosed, and otherwise why the stream failed; it goes on
// returning that. If ctx ends first it returns the ctx's cause, and has taken nothing (G2).
func (s *Source[T]) Recv(ctx context.Context) (v T, err error) {
	if mine := s.busy.CompareAndSwap(vacant, taken); !mine || s.bound != ctx.Done() || s.view != nil {
		s.enter(ctx, mine)
	}
	returned := false
	defer func() {
		if !returned {
			defer s.crash(recover())
		}
		if !s.busy.CompareAndSwap(taken, vacant) {
			s.leave()
		}
	}()
	v, err = s.pull(ctx)
	returned = true
	return v, err
}

// All returns an iterator over the values of s. It ends when the stream or ctx ends; Err then says which and why.
// Leaving the loop early closes nothing. The loop runs in the caller's goroutine and is the consumer of s until it ends;
// its body may close s, but not receive from it.
func (s *Source[T]) All(ctx context.Context) iter.Seq[T] {
	return func(yield func(T) bool) {
		s.enter(ctx, false)
		s.setRanged(nil)
		pulling := true
		defer func() {
			if pulling {
				defer s.crash(recover())
			}
			s.leave()
		}()
		for {
			v, err := s.pull(ctx)
			pulling = false
			if err != nil {
				s.setRanged(err)
				return
			}
			if !yield(v) {
				return
			}
			pulling = true
		}
	}
}

// Err tells why the last range over C or All ended: nil after a clean end, the cause of ctx if ctx ended it. Once the
// stream itself has ended, Err is its end: nil if clean, net.ErrClosed if closed here, otherwise its failure.
func (s *Source[T]) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end.Load() == open {
		return s.ranged
	}
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

// Done is closed when the stream has ended: when a receiver has met its end, or it was closed here. Values may still
// lie in a channel that C gave out; range to its end to have them.
func (s *Source[T]) Done() <-chan struct{} {
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

// Close tells the producer that no more is wanted, at once, also when it is idle (G3). A blocked Recv returns
// net.ErrClosed, a channel from C is closed, and values that were not received are dropped. It is idempotent.
func (s *Source[T]) Close() error {
	if !s.finish(closed, net.ErrClosed) || s.hooks.Close == nil {
		return nil
	}
	return s.hooks.Close()
}

// finish records the end of the stream. Only the first one counts, but for a Close after the end, which drops what is
// left; it reports whether the producer is still to be told.
func (s *Source[T]) finish(how int32, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was := s.end.Load(); was != open {
		s.end.Store(max(was, how))
		return false
	}
	s.err = err
	s.end.Store(how)
	if s.done != nil {
		close(s.done)
	}
	return true
}

// pull returns the next value to a consumer that has entered.
func (s *Source[T]) pull(ctx context.Context) (T, error) {
	if len(s.back) > 0 || s.end.Load() != open {
		return s.pullBack()
	}
	v, err := s.hooks.Next(ctx)
	if err != nil {
		err = s.fail(ctx, err)
	}
	return v, err
}

// pullBack returns what was put back, then the end.
func (s *Source[T]) pullBack() (v T, err error) {
	if s.end.Load() == closed {
		s.back = nil
	}
	if len(s.back) == 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return v, s.err
	}
	v = s.back[0]
	clear(s.back[:1])
	if s.back = s.back[1:]; len(s.back) == 0 {
		s.back = nil
	}
	return v, nil
}

// fail judges an error of Next: ctx's end is the call's affair, anything else ends the stream. It returns what the
// consumer is told.
func (s *Source[T]) fail(ctx context.Context, err error) error {
	if s.end.Load() == open && isEndOf(ctx, err) {
		return context.Cause(ctx)
	}
	if s.finish(ended, err) && err != io.EOF && s.hooks.Close != nil {
		_ = s.hooks.Close() // the failure is what matters
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// isEndOf reports whether err says that ctx ended, and it did.
func isEndOf(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

// crash ends the stream because a stage did not return: it panicked with v, or with nil v called runtime.Goexit.
// The panic goes on.
func (s *Source[T]) crash(v any) {
	if s.finish(ended, Recovered(v)) && s.hooks.Close != nil {
		_ = s.hooks.Close()
	}
	if v != nil {
		panic(v)
	}
}

func (s *Source[T]) setRanged(err error) {
	s.mu.Lock()
	s.ranged = err
	s.mu.Unlock()
}
