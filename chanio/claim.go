package chanio

import (
	"context"
	"fmt"
)

// enter makes the caller the consumer, which it may be by now, and binds ctx. It waits for a consumer whose ctx has ended
// to let go and panics if there is another.
func (s *Source[T]) enter(ctx context.Context, mine bool) {
	for !mine && !s.busy.CompareAndSwap(vacant, taken) {
		s.await()
	}
	if done := ctx.Done(); s.bound != done || s.view != nil {
		s.mu.Lock()
		s.bound = done
		s.reclaim()
		s.mu.Unlock()
	}
}

// leave ends what enter began.
func (s *Source[T]) leave() {
	if s.busy.CompareAndSwap(taken, vacant) || s.busy.Load() == owned {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.left)
	s.left = nil
	s.busy.Store(vacant)
}

// await returns when the present consumer has let go, which it is about to do if its ctx has ended.
func (s *Source[T]) await() {
	s.mu.Lock()
	if s.busy.Load() == owned || !isClosed(s.bound) && s.end.Load() == open {
		defer s.mu.Unlock()
		if s.busy.Load() == vacant {
			return
		}
		panic(s.contention())
	}
	if s.busy.CompareAndSwap(taken, awaited) {
		s.left = make(chan struct{})
	}
	left := s.left
	s.mu.Unlock()
	if left != nil {
		<-left
	}
}

func (s *Source[T]) contention() string {
	owner := s.owner
	if owner == "" {
		owner = "another Recv, All or C"
	}
	return fmt.Sprintf("chanio: this Source already has a consumer, %s; to give its values to several, use pipeline.Tee", owner)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Upstream is a [Source] as the stage that owns it sees it. Its methods are for one goroutine at a time, except Close.
type Upstream[T any] struct{ s *Source[T] }

// Claim makes the caller, a stage or an endpoint by the given name, the one consumer of s for good: Recv, All, C and
// Claim panic from then on. The new owner closes s when it ends before s does. The name, such as "pipeline.Map",
// appears in that panic. Claim waits for a consumer whose ctx has ended to let go.
func (s *Source[T]) Claim(stage string) Upstream[T] {
	s.enter(context.Background(), false)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner = stage
	if s.left != nil {
		close(s.left)
		s.left = nil
	}
	s.busy.Store(owned)
	return Upstream[T]{s}
}

// Next returns the next value, like [Source.Recv] but without its checks: at the price of two function calls.
func (u Upstream[T]) Next(ctx context.Context) (T, error) { return u.s.pull(ctx) }

// Unread puts v back: the next call of Next returns it. Several come back last in, first out.
func (u Upstream[T]) Unread(v T) { u.s.back = append([]T{v}, u.s.back...) }

// Close closes the Source, like [Source.Close].
func (u Upstream[T]) Close() error { return u.s.Close() }

// OnWait stores f, to be called in Next each time the Source is about to wait; nil removes it. It reports whether the
// Source can tell: without, every Next may wait.
func (u Upstream[T]) OnWait(f func()) bool {
	return u.s.hooks.OnWait != nil && u.s.hooks.OnWait(f)
}

// Undelivered returns the hook of that name, or nil. A stage whose values are those of the Source passes it on, and calls
// it with those that it holds when it is closed.
func (u Upstream[T]) Undelivered() func(v T) { return u.s.hooks.Undelivered }

// Bytes returns the stream of bytes below a Source of []byte, or nil if it has only chunks.
func (u Upstream[T]) Bytes() ByteSource {
	if len(u.s.back) > 0 {
		return nil
	}
	return u.s.hooks.Bytes
}

// Fail tells the Source what the Bytes route met, io.EOF or an error, as if Next had returned it. It returns what a
// consumer is to be told.
func (u Upstream[T]) Fail(ctx context.Context, err error) error { return u.s.fail(ctx, err) }

// Release gives the Source back: the caller no longer owns it, and Recv, All, C and Claim work again.
func (u Upstream[T]) Release() {
	u.s.mu.Lock()
	u.s.owner = ""
	u.s.bound = nil
	u.s.mu.Unlock()
	u.OnWait(nil)
	u.s.busy.Store(vacant)
}
