package chanio

import "context"

// Upstream is a [Source] as the stage that owns it sees it. Its methods are for one goroutine at a time, except Unread
// and Close, which are for any.
type Upstream[T any] struct {
	s *Source[T]
	c *consumer // the stage; nil if it has come too late
}

// Claim makes the caller, a stage or an endpoint by the given name, the one consumer of s for good: Recv, All, C and
// Claim panic from then on. The new owner closes s when it ends before s does. The name, such as "pipeline.Map",
// appears in that panic. Claim waits for a consumer whose ctx has ended to let go; [Source.Acquire] waits no longer than
// a ctx.
func (s *Source[T]) Claim(stage string) Upstream[T] {
	up, _ := s.own(context.Background(), nil, stage)
	return up
}

// Acquire is Claim for a call that ctx bounds, such as pipeline.Connect: if ctx ends before an earlier consumer has let
// go, Acquire returns [Cause] of ctx. The caller gives s back with [Upstream.Release], soon after ctx has ended: the next
// consumer then waits for that, and does not panic.
func (s *Source[T]) Acquire(ctx context.Context, stage string) (Upstream[T], error) {
	if s != nil {
		c := s.turn.now.Load() // which may be that of the call before
		if c != nil && c.done == ctx.Done() && c.owner != nil && *c.owner == stage && c.state.CompareAndSwap(vacant, owned) {
			return Upstream[T]{s, c}, nil
		}
	}
	return s.own(ctx, ctx.Done(), stage)
}

// own makes a stage the consumer, until it releases s or done is closed. It waits no longer than ctx for an earlier one.
func (s *Source[T]) own(ctx context.Context, done <-chan struct{}, stage string) (Upstream[T], error) {
	if s == nil {
		panic(stage + ": the Source is nil")
	}
	c := &consumer{done: done, owner: &stage}
	c.state.Store(owned)
	if err := s.turn.replace(ctx, c, s.hooks.End); err != nil {
		return Upstream[T]{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reclaimLocked()
	return Upstream[T]{s, c}, nil
}

// Release gives the Source back: the caller no longer owns it, and Recv, All, C and Claim work again. Only the first call
// counts.
func (u Upstream[T]) Release() {
	if u.c == nil || u.c.state.Load() != owned {
		return
	}
	u.s.mu.Lock()
	u.s.yield = nil
	u.s.mu.Unlock()
	u.s.turn.leave(u.c, vacant)
}

// Yields says that the stage lets go when TLS begins on the connection whose bytes it receives ([TLSServer], [TLSClient]).
// Then letGo is called, by the goroutine that begins it: it makes sure that nobody receives from the stage, puts back
// what the stage has taken and not used, calls Release, and leaves the Source alone from then on. If it returns an error,
// TLS does not begin.
func (u Upstream[T]) Yields(letGo func(ctx context.Context) error) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.yield = letGo
}

// releaseAfter is Release, deferred by a call that has not returned if *returned is false: a hook, or other code of the
// user, panicked or called runtime.Goexit, and the Source ends with that. The panic goes on.
func (u Upstream[T]) releaseAfter(returned *bool) {
	defer u.Release()
	if *returned {
		return
	}
	v := recover()
	u.s.broken(v)
	if v != nil {
		panic(v)
	}
}

// Next returns the next value, like [Source.Recv] but without its checks: at the price of two function calls.
func (u Upstream[T]) Next(ctx context.Context) (T, error) { return u.s.pull(ctx) }

// TryNext returns the next value if Next would not wait; see SourceHooks.TryNext.
func (u Upstream[T]) TryNext() (v T, ok bool, err error) { return u.s.tryPull() }

// AtHand appends values that are at hand and need no code of the user to dst, at most as many as it has room for; see
// SourceHooks.AtHand. Which values it leaves out, TryNext may still return.
func (u Upstream[T]) AtHand(dst []T) []T {
	if u.s.aside.Load() {
		for len(dst) < cap(dst) {
			v, ok, _ := u.s.pullAside(context.Background())
			if !ok {
				break
			}
			dst = append(dst, v)
		}
		if u.s.aside.Load() {
			return dst
		}
	}
	if u.s.hooks.AtHand == nil || len(dst) == cap(dst) {
		return dst
	}
	return u.s.hooks.AtHand(dst)
}

// Unread puts v back: the next call of Next returns it. Several come back last in, first out. If the Source was closed, v
// goes to its Undelivered hook, or is dropped.
func (u Upstream[T]) Unread(v T) { u.s.unread(v) }

// Close closes the Source, like [Source.Close].
func (u Upstream[T]) Close() error { return u.s.Close() }

// Done is closed when the Source has ended, like [Source.Done].
func (u Upstream[T]) Done() <-chan struct{} { return u.s.Done() }

// Undelivered returns Drop if the values of the Source must be closed by somebody, otherwise nil. A stage whose values
// are those of its upstream has it as its hook of that name.
func (u Upstream[T]) Undelivered() func(v T) {
	if u.s.hooks.Undelivered == nil {
		return nil
	}
	return u.Drop
}

// Drop hands v, which nobody will receive, to the Undelivered hook at once, also while the stream goes on. It does nothing
// if there is none.
func (u Upstream[T]) Drop(v T) { u.s.hooks.undelivered(v) }

// Borrowed reports whether a value is valid only until the next call that may wait. A stage whose values are, or refer to,
// those of its upstream passes it on; one that holds values refuses to be built.
func (u Upstream[T]) Borrowed() bool { return u.s.hooks.Borrowed }

// Bytes returns the stream of bytes below a Source of []byte: that of its endpoint, or a view of its chunks. It is never
// nil; for a Source of anything else it panics. What the view holds when the owner releases the Source is received
// next.
func (u Upstream[T]) Bytes() ByteSource {
	s, ok := any(u.s).(*Source[[]byte])
	if !ok {
		panic("chanio: Upstream.Bytes of a Source whose values are not []byte")
	}
	return bytesOf(s)
}

// IsBytes reports whether the Source is a stream of bytes whose chunks mean nothing, so that Bytes loses nothing.
func (u Upstream[T]) IsBytes() bool { return u.s.hooks.Bytes != nil }

// IsConn reports whether the Source receives what a connection brings, also while bytes that were put back come first.
func (u Upstream[T]) IsConn() bool {
	_, ok := u.s.hooks.Bytes.(RawSource)
	return ok
}

// Fail tells the Source what the route of Bytes met, io.EOF or an error, as if Next had returned it. It returns what a
// consumer is to be told.
func (u Upstream[T]) Fail(ctx context.Context, err error) error { return u.s.fail(ctx, err) }

// Describe tells what is known of the Source, for the description of the stage that owns it; Consumer names that stage.
func (u Upstream[T]) Describe() Description { return u.s.Describe() }
