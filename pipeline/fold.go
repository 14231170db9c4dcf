package pipeline

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
)

// Scan yields init, and then for each value the result of f applied to the previous result and the value. It works in
// the receiver's goroutine. A panic in f ends the stream.
func Scan[T, A any](src *chanio.Source[T], init A, f func(A, T) A) *chanio.Source[A] {
	must(f != nil, "Scan: f is nil")
	up := src.Claim("pipeline.Scan")
	acc, first := init, true
	rest := &fused[T, A]{up: up, step: func(v T) (A, bool, error) {
		acc = f(acc, v)
		return acc, true, nil
	}}
	return chanio.NewSource(derive(up, func(ctx context.Context) (none A, ok bool, err error) {
		if !first {
			return rest.pull(ctx)
		}
		if ctxEnded(ctx) {
			return none, false, chanio.Cause(ctx)
		}
		first = false
		return acc, true, nil
	}))
}

// Reduce folds all values of src into one, in the caller's goroutine, and returns it when src has ended. If src fails
// or ctx ends, it returns that error and the result so far; after the end of ctx, src can be used again. To stop early,
// put [TakeWhile] or [Take] in front.
func Reduce[T, A any](ctx context.Context, src *chanio.Source[T], init A, f func(A, T) A) (A, error) {
	must(f != nil, "Reduce: f is nil")
	acc := init
	err := each(ctx, src, "Reduce", func(v T) error {
		acc = f(acc, v)
		return nil
	})
	return acc, err
}

// Collect receives all values of src and returns them. If src fails or ctx ends, it returns that error and the values
// received so far; after the end of ctx, src can be used again. Collect has no limit of its own: put [Take] in front of
// it for one.
func Collect[T any](ctx context.Context, src *chanio.Source[T]) ([]T, error) {
	var all []T
	err := each(ctx, src, "Collect", func(v T) error {
		all = append(all, v)
		return nil
	})
	return all, err
}

// ForEach calls f with every value of src, in the caller's goroutine. It returns nil when src has ended cleanly, src's
// failure if it failed, and [chanio.Cause] of ctx if ctx ended; src can then be used again. An error of f closes src
// and is returned, io.EOF as nil. A panic of f closes src and propagates.
func ForEach[T any](ctx context.Context, src *chanio.Source[T], f func(T) error) error {
	must(f != nil, "ForEach: f is nil")
	return each(ctx, src, "ForEach", f)
}

// each is ForEach; stage is the name of the caller.
func each[T any](ctx context.Context, src *chanio.Source[T], stage string, f func(T) error) error {
	return consume(ctx, src, stage, func(up chanio.Upstream[T]) error {
		mayHold(stage != "Collect" || !up.Borrowed(), stage)
		for done := ctx.Done(); ; {
			if hasEnded(done) {
				return chanio.Cause(ctx)
			}
			v, err := up.Next(ctx)
			if err == nil {
				if err = f(v); err == nil {
					continue
				}
				_ = up.Close() // err is returned instead
				if isOfCall(ctx, err) {
					return chanio.Cause(ctx)
				}
			}
			if err == io.EOF {
				return nil
			}
			return err
		}
	})
}
