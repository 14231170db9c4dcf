package chanio

import "context"

// Upstream is a [Source] as seen by the stage that owns it. Its methods are for one goroutine at a time, except Unread
// and Close, which are safe for concurrent use.
type Upstream[T any] struct {
	s *Source[T]
	c *consumer // the stage; nil if it has come too late
}

// Claim makes the caller, a stage or endpoint with the given name, the only consumer of s for good: Recv, All, C and
// Claim panic from then on, with a message that contains the name, such as "pipeline.Map". The owner must close s if it
// ends before s does. Claim waits for a consumer whose ctx has ended to return; [Source.Acquire] bounds that wait with
// a ctx.
func (s *Source[T]) Claim(stage string) Upstream[T] {
	up, _ := own(context.Background(), s, nil, stage)
	return up
}

// Acquire is Claim for a call with a ctx, such as pipeline.Connect. If ctx ends before an earlier consumer has
// returned, Acquire returns [Cause] of ctx. The caller must return s with [Upstream.Release] soon after ctx has ended:
// the next consumer waits for that instead of panicking.
func (s *Source[T]) Acquire(ctx context.Context, stage string) (Upstream[T], error) {
	if s != nil {
		c := s.turn.now.Load() // which may be that of the call before
		if c != nil && c.done == ctx.Done() && c.owner != nil && *c.owner == stage && c.state.CompareAndSwap(vacant, owned) {
			return Upstream[T]{s, c}, nil
		}
	}
	return own(ctx, s, ctx.Done(), stage)
}

// own makes a stage the consumer of s, until it releases s or done is closed. ctx bounds the wait for an earlier one.
func own[T any](ctx context.Context, s *Source[T], done <-chan struct{}, stage string) (Upstream[T], error) {
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

// Release returns the Source: the caller no longer owns it, and Recv, All, C and Claim work again. Only the first call
// has an effect.
func (u Upstream[T]) Release() {
	if u.c == nil || u.c.state.Load() != owned {
		return
	}
	u.s.mu.Lock()
	u.s.yield = nil
	u.s.mu.Unlock()
	u.s.turn.leave(u.c, vacant)
}

// Yields registers letGo, which is called when TLS starts on the connection whose bytes the stage receives
// ([TLSServer], [TLSClient]), by the goroutine that starts it. letGo must ensure that nothing receives from the stage,
// put back what the stage has taken and not used, call Release, and not use the Source again. If it returns an error,
// TLS does not start.
func (u Upstream[T]) Yields(letGo func(ctx context.Context) error) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.yield = letGo
}

// releaseAfter is Release for a deferred call. If *returned is false, a hook or other user code panicked or called
// runtime.Goexit, and the Source ends with that. The panic propagates.
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

// Next returns the next value, like [Source.Recv] without its checks, at the cost of two function calls.
func (u Upstream[T]) Next(ctx context.Context) (T, error) { return u.s.pull(ctx) }

// TryNext returns the next value if Next would not wait; see SourceHooks.TryNext.
func (u Upstream[T]) TryNext() (v T, ok bool, err error) { return u.s.tryPull() }

// AtHand appends to dst values that are at hand and need no user code, at most as many as dst has room for; see
// SourceHooks.AtHand. TryNext may still return values that AtHand leaves out.
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

// Lends reports whether the Source lends values; see SourceHooks.Lend.
func (u Upstream[T]) Lends() bool { return u.s.hooks.Lend != nil }

// Lend is AtHand for values that the caller is done with before its next call of another method, except Unlend. It
// returns none while values that were put back are left, and none if the Source does not lend.
func (u Upstream[T]) Lend(dst []T) []T {
	if u.s.hooks.Lend == nil || u.s.aside.Load() || len(dst) == cap(dst) {
		return dst
	}
	return u.s.hooks.Lend(dst)
}

// Await waits until Lend would return a value, as far as the Source can; see SourceHooks.Await. If Lend returns none
// then, the caller must call Next.
func (u Upstream[T]) Await(ctx context.Context) error {
	if u.s.hooks.Await == nil || u.s.aside.Load() {
		return nil
	}
	if err := u.s.hooks.Await(ctx); err != nil {
		return u.s.fail(ctx, err)
	}
	return nil
}

// Unlend gives vs, the last values of the latest Lend, back.
func (u Upstream[T]) Unlend(vs []T) { u.s.hooks.Unlend(vs) }

// Unread puts v back: the next call of Next returns it. Of several values put back, the last comes first. If the Source
// was closed, v is passed to its Undelivered hook, or dropped. A ByteSource from an earlier call of Bytes must not be used
// any more.
func (u Upstream[T]) Unread(v T) { u.s.unread(v) }

// Close closes the Source, like [Source.Close].
func (u Upstream[T]) Close() error { return u.s.Close() }

// Done returns a channel that is closed when the Source has ended, like [Source.Done].
func (u Upstream[T]) Done() <-chan struct{} { return u.s.Done() }

// Undelivered returns Drop if values of the Source must be closed, otherwise nil. A stage whose values are those of its
// upstream uses it as its own Undelivered hook.
func (u Upstream[T]) Undelivered() func(v T) {
	if u.s.hooks.Undelivered == nil {
		return nil
	}
	return u.Drop
}

// Drop passes v, which will not be received, to the Undelivered hook at once, even while the stream continues. Without
// that hook it does nothing.
func (u Upstream[T]) Drop(v T) { u.s.hooks.undelivered(v) }

// Borrowed reports whether a value is valid only until the next call that may wait. A stage whose values are, or refer
// to, those of its upstream must set Borrowed too; a stage that holds values panics when it is built.
func (u Upstream[T]) Borrowed() bool { return u.s.hooks.Borrowed }

// Bytes returns the stream of bytes below a Source of []byte: that of its endpoint, or a view of its chunks. It is
// never nil. For a Source of another type it panics. Bytes that the view holds when the owner releases the Source are
// received next.
func (u Upstream[T]) Bytes() ByteSource {
	s, ok := any(u.s).(*Source[[]byte])
	if !ok {
		panic("chanio: Upstream.Bytes of a Source whose values are not []byte")
	}
	return bytesOf(s)
}

// IsBytes reports whether the Source is a stream of bytes without meaningful chunk boundaries, so that Bytes loses
// nothing.
func (u Upstream[T]) IsBytes() bool { return u.s.hooks.Bytes != nil }

// IsConn reports whether the Source receives from a connection, even if bytes that were put back come first.
func (u Upstream[T]) IsConn() bool {
	_, ok := u.s.hooks.Bytes.(RawSource)
	return ok
}

// Fail reports to the Source an error that the user of Bytes received, io.EOF included, as if Next had returned it. It
// returns the error for the consumer.
func (u Upstream[T]) Fail(ctx context.Context, err error) error { return u.s.fail(ctx, err) }

// Describe describes the Source, for the description of the stage that owns it; Consumer names that stage.
func (u Upstream[T]) Describe() Description { return u.s.Describe() }
