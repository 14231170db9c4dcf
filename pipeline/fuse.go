package pipeline

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// pull makes the next value of a stage. With a nil ctx it does not wait, and ok is false if it would have to.
type pull[T any] func(ctx context.Context) (v T, ok bool, err error)

// noWait is the nil ctx of a pull that does not wait.
var noWait context.Context

// take is the pull of a stage that passes values on unchanged.
func take[T any](ctx context.Context, up chanio.Upstream[T]) (v T, ok bool, err error) {
	if ctx == nil {
		return up.TryNext()
	}
	v, err = up.Next(ctx)
	return v, err == nil, err
}

// hooks returns the hooks of a stage over the sources that ups describes.
func hooks[T any](next pull[T], closeUp func() error, ups func() []chanio.Description) chanio.SourceHooks[T] {
	return chanio.SourceHooks[T]{
		Next: func(ctx context.Context) (T, error) {
			v, _, err := next(ctx)
			return v, err
		},
		TryNext:  func() (T, bool, error) { return next(noWait) },
		Close:    closeUp,
		Describe: func() chanio.Description { return describe(ups()...) },
	}
}

// derive returns the hooks of a stage over one upstream: closing and the description pass through.
func derive[A, B any](up chanio.Upstream[A], next pull[B]) chanio.SourceHooks[B] {
	return hooks(next, up.Close, only(up))
}

// pass adds to h the hooks of a stage that passes on values of its upstream.
func pass[T any](up chanio.Upstream[T], h chanio.SourceHooks[T]) chanio.SourceHooks[T] {
	h.Borrowed = up.Borrowed()
	h.Undelivered, h.KeepUntaken = up.Undelivered(), true
	return h
}

// fused is a stage that makes at most one value from each value that it takes.
type fused[A, B any] struct {
	up chanio.Upstream[A]

	// step makes a value; ok false skips it, and an error ends the stream.
	step func(A) (b B, ok bool, err error)

	failed error // of step in a pull without ctx; judged in a pull that has one
	at     A     // the value that failed
}

// fuse returns the hooks of a stage that calls step.
func fuse[A, B any](up chanio.Upstream[A], step func(A) (B, bool, error)) chanio.SourceHooks[B] {
	f := &fused[A, B]{up: up, step: step}
	h := derive(up, f.pull)
	h.Next = f.fast
	return h
}

// sieve is sift for a stage that passes on the values for which keep returns true. It gives the others back to their
// owner.
func sieve[T any](up chanio.Upstream[T], keep func(T) bool) *chanio.Source[T] {
	return newSift(up, func(v T) (bool, error) { return keep(v), nil }, up.Drop)
}

// sift is fuse for a stage that passes on some of its values unchanged.
func sift[T any](up chanio.Upstream[T], step func(T) (bool, error)) *chanio.Source[T] {
	return newSift(up, step, func(T) {})
}

func newSift[T any](up chanio.Upstream[T], step func(T) (bool, error), drop func(T)) *chanio.Source[T] {
	f := &fused[T, T]{up: up}
	f.step = func(v T) (T, bool, error) {
		ok, err := step(v)
		if !ok && err == nil {
			drop(v)
		}
		return v, ok, err
	}
	if up.Undelivered() != nil {
		unguarded := step
		step = func(v T) (ok bool, err error) {
			orPutBack(up, v, func() { ok, err = unguarded(v) })
			return ok, err
		}
	}
	h := pass(up, derive(up, f.pull))
	h.Next = f.fast
	return chanio.NewSource(h)
}

// orPutBack calls f, which inspects v. If f panics or calls runtime.Goexit, v is put back, because it will not be
// received.
func orPutBack[T any](up chanio.Upstream[T], v T, f func()) {
	returned := false
	defer func() {
		if !returned {
			up.Unread(v)
		}
	}()
	f()
	returned = true
}

// fast is pull for the usual case in which the next value yields one. It costs half as much.
func (f *fused[A, B]) fast(ctx context.Context) (b B, err error) {
	if f.failed == nil {
		a, err := f.up.Next(ctx)
		if err != nil {
			return b, err
		}
		if b, ok, err := f.step(a); err != nil || ok {
			if err != nil {
				err = f.fail(ctx, a, err)
			}
			return b, err
		}
	}
	b, _, err = f.pull(ctx)
	return b, err
}

func (f *fused[A, B]) pull(ctx context.Context) (b B, ok bool, err error) {
	if f.failed != nil {
		return b, false, f.fail(ctx, f.at, f.failed)
	}
	for {
		a, ok, err := take(ctx, f.up)
		if !ok {
			return b, false, err
		}
		v, ok, err := f.step(a)
		if err != nil {
			return b, false, f.fail(ctx, a, err)
		}
		if ok {
			return v, true, nil
		}
		if ctxEnded(ctx) { // an upstream that never waits may not check ctx
			return b, false, chanio.Cause(ctx)
		}
	}
}

// ctxEnded reports whether ctx has ended. A nil ctx, of a pull that does not wait, never does.
func ctxEnded(ctx context.Context) bool { return ctx != nil && ctx.Err() != nil }

// fail ends the stage because step returned err for v. If err reports the end of ctx, v is put back instead.
func (f *fused[A, B]) fail(ctx context.Context, v A, err error) error {
	if ctx == nil {
		f.at, f.failed = v, err
		return nil
	}
	f.at, f.failed = *new(A), nil
	if isOfCall(ctx, err) {
		f.up.Unread(v)
		return chanio.Cause(ctx)
	}
	_ = f.up.Close() // err is returned instead
	return final(err)
}

// isOfCall reports whether err, returned by a user's function, reports the end of ctx. Unlike [chanio.Resumable] it
// recognizes a cause that looks like the end of a stream.
func isOfCall(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (chanio.Resumable(ctx, err) || isSame(err, context.Cause(ctx)))
}

// final returns err as an End makes it the end of a stream: it does not say any more that only a call failed, perhaps one
// of another stream.
func final(err error) error {
	if err == io.EOF {
		return err
	}
	var end chanio.End
	end.Set(err)
	return end.Err()
}

// resumable is chanio.Resumable for a pull.
func resumable(ctx context.Context, err error) bool {
	if ctx == nil {
		ctx = context.Background()
	}
	return chanio.Resumable(ctx, err)
}

// isSame is a == b for errors, which may not be comparable.
func isSame(a, b error) (same bool) {
	defer func() { _ = recover() }() // not comparable, so not the same
	return a == b
}

// hasEnded is a cheaper ctx.Err() != nil for ctx's Done channel.
func hasEnded(done <-chan struct{}) bool { return queue.Ended(done) }

// lend makes a stage leave the values that it holds between two calls with its upstream if they must be closed. The
// upstream gives them back when it is closed.
func lend[A, B any](up chanio.Upstream[A], held *[]A, next pull[B]) pull[B] {
	if up.Undelivered() == nil {
		return next
	}
	lent := 0
	return func(ctx context.Context) (B, bool, error) {
		if lent > 0 {
			*held = up.AtHand(make([]A, 0, lent))
		}
		defer func() {
			lent = len(*held)
			unreadAll(up, *held)
			*held = nil
		}()
		return next(ctx)
	}
}

// unreadAll puts values back in their order.
func unreadAll[T any](up chanio.Upstream[T], vs []T) {
	for _, v := range vs {
		defer up.Unread(v) // the last first, and all even if a hook panics
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

// Named names src for [Tree] and [Dot] and counts the values that pass; no other stage counts. It works in the receiver's
// goroutine and changes nothing else.
func Named[T any](src *chanio.Source[T], name string) *chanio.Source[T] {
	up := src.Claim("pipeline.Named")
	var passed atomic.Uint64
	h := pass(up, derive(up, func(ctx context.Context) (T, bool, error) {
		v, ok, err := take(ctx, up)
		if ok {
			passed.Add(1)
		}
		return v, ok, err
	}))
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
