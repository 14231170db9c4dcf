package pipeline

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// derive returns the hooks of a stage over one upstream: closing and the description pass through.
func derive[A, B any](
	up chanio.Upstream[A], next func(context.Context) (B, error), try func() (B, bool, error),
) chanio.SourceHooks[B] {
	return chanio.SourceHooks[B]{
		Next: next, TryNext: try, Close: up.Close,
		Describe: func() chanio.Description { return describe(up.Describe()) },
	}
}

// pass is derive for a stage whose values are those of its upstream.
func pass[T any](
	up chanio.Upstream[T], next func(context.Context) (T, error), try func() (T, bool, error),
) chanio.SourceHooks[T] {
	h := derive(up, next, try)
	h.Borrowed = up.Borrowed()
	if up.Undelivered() != nil {
		h.Undelivered = up.Drop
	}
	return h
}

// fused is a stage that makes at most one value of each that it takes.
type fused[A, B any] struct {
	up chanio.Upstream[A]

	// step makes a value; ok false skips it, and an error ends the stream.
	step func(A) (b B, ok bool, err error)

	failed error // of step in tryNext, to be judged by next
	at     A     // what it failed for
}

// fuse returns the hooks of a stage that does step.
func fuse[A, B any](up chanio.Upstream[A], step func(A) (B, bool, error)) chanio.SourceHooks[B] {
	f := &fused[A, B]{up: up, step: step}
	return derive(up, f.next, f.tryNext)
}

// sift is fuse for a stage that passes on some values and drops the others.
func sift[T any](up chanio.Upstream[T], step func(T) (bool, error)) *chanio.Source[T] {
	f := &fused[T, T]{up: up, step: func(v T) (T, bool, error) {
		ok, err := step(v)
		return v, ok, err
	}}
	return chanio.NewSource(pass(up, f.next, f.tryNext))
}

func (f *fused[A, B]) next(ctx context.Context) (b B, err error) {
	if f.failed != nil {
		at, failed := f.at, f.failed
		f.at, f.failed = *new(A), nil
		return b, f.fail(ctx, at, failed)
	}
	for {
		a, err := f.up.Next(ctx)
		if err != nil {
			return b, err
		}
		b, ok, err := f.step(a)
		if err != nil {
			return b, f.fail(ctx, a, err)
		}
		if ok {
			return b, nil
		}
		if ctx.Err() != nil { // an upstream that never waits may not look at it
			return b, chanio.Cause(ctx)
		}
	}
}

// fail ends the stage because step returned err for v, unless that says that ctx ended: v is put back then.
func (f *fused[A, B]) fail(ctx context.Context, v A, err error) error {
	if isOfCall(ctx, err) {
		f.up.Unread(v)
		return chanio.Cause(ctx)
	}
	_ = f.up.Close() // err is what matters
	return err
}

func (f *fused[A, B]) tryNext() (b B, ok bool, err error) {
	for f.failed == nil {
		a, ok, err := f.up.TryNext()
		if !ok {
			return b, false, err
		}
		b, ok, err := f.step(a)
		if err != nil {
			f.at, f.failed = a, err
			break
		}
		if ok {
			return b, true, nil
		}
	}
	return b, false, nil
}

// isOfCall reports whether err, which a function of the user returned, says that ctx ended. Unlike [chanio.Resumable] it
// knows a cause that would look like the end of a stream.
func isOfCall(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (chanio.Resumable(ctx, err) || isSame(err, context.Cause(ctx)))
}

// isSame is a == b for errors, some of which cannot be compared.
func isSame(a, b error) (same bool) {
	defer func() { _ = recover() }() // of a type that is not comparable: not the same
	return a == b
}

// hasEnded is ctx.Err() != nil at a lower price, for its Done channel.
func hasEnded(done <-chan struct{}) bool { return queue.Ended(done) }

// keep makes a stage that holds values between two calls give them back when it is closed: by Close, or by the call that
// runs beside it. giveBack puts them back into the upstream, which is closed by then.
func keep[T any](h chanio.SourceHooks[T], giveBack func()) chanio.SourceHooks[T] {
	k := &keeper{giveBack: giveBack}
	next, try, closeAll := h.Next, h.TryNext, h.Close
	h.AtHand = nil
	h.Next = func(ctx context.Context) (T, error) {
		if !k.enter() {
			return *new(T), net.ErrClosed
		}
		defer k.leave()
		return next(ctx)
	}
	h.TryNext = func() (T, bool, error) {
		if !k.enter() {
			return *new(T), false, net.ErrClosed
		}
		defer k.leave()
		return try()
	}
	h.Close = func() error {
		defer k.close()
		return closeAll()
	}
	return h
}

type keeper struct {
	giveBack func()

	mu           sync.Mutex
	busy, closed bool
}

// enter begins a call, unless the stage has been closed.
func (k *keeper) enter() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy = !k.closed
	return k.busy
}

func (k *keeper) leave() {
	k.mu.Lock()
	k.busy = false
	closed := k.closed
	k.mu.Unlock()
	if closed {
		k.giveBack()
	}
}

func (k *keeper) close() {
	k.mu.Lock()
	k.closed = true
	busy := k.busy
	k.mu.Unlock()
	if !busy {
		k.giveBack()
	}
}

// unreadAll puts values back, so that they come again in their order.
func unreadAll[T any](up chanio.Upstream[T], vs []T) {
	for _, v := range vs {
		defer up.Unread(v) // the last first, and all of them, also when a hook panics
	}
}

// dropAll is the Undelivered hook of a stage whose values are slices, if those of up must be closed.
func dropAll[T any](up chanio.Upstream[T]) func([]T) {
	if up.Undelivered() == nil {
		return nil
	}
	return func(vs []T) {
		for _, v := range vs {
			defer up.Drop(v)
		}
	}
}

// Named gives src a name for [Tree] and [Dot], and counts the values that pass: the one stage that counts. It works in
// the goroutine of the receiver and changes nothing.
func Named[T any](src *chanio.Source[T], name string) *chanio.Source[T] {
	up := src.Claim("pipeline.Named")
	var passed atomic.Uint64
	h := pass(up, func(ctx context.Context) (T, error) {
		v, err := up.Next(ctx)
		if err == nil {
			passed.Add(1)
		}
		return v, err
	}, func() (T, bool, error) {
		v, ok, err := up.TryNext()
		if ok {
			passed.Add(1)
		}
		return v, ok, err
	})
	h.AtHand = func(dst []T) []T {
		before := len(dst)
		dst = up.AtHand(dst)
		passed.Add(uint64(len(dst) - before))
		return dst
	}
	h.Describe = func() chanio.Description {
		d := describe(up.Describe())
		d.Name, d.Passed = name, passed.Load()
		return d
	}
	return chanio.NewSource(h)
}
