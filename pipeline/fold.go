package pipeline

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
)

// Scan passes on init, then what f made of the result before and each value. It works in the goroutine of the receiver.
// It is Manifold's reductions with an initial value, where an error in f leaves the receiver waiting for ever; here a
// panic in f ends the stream.
func Scan[T, A any](src *chanio.Source[T], init A, f func(A, T) A) *chanio.Source[A] {
	up := src.Claim("pipeline.Scan")
	acc, first := init, true
	return derive(up, func(ctx context.Context) (none A, err error) {
		if first {
			first = false
			return acc, nil
		}
		v, err := up.Next(ctx)
		if err != nil {
			return none, err
		}
		acc = f(acc, v)
		return acc, nil
	})
}

// Reduce folds all values of src into one, in the caller's goroutine, and returns it when src has ended. If src fails
// or ctx ends, Reduce returns that error and what it has so far; after ctx's end src can be used again. To stop early,
// take the values through [TakeWhile] or [Take]. It is Manifold's reduce.
func Reduce[T, A any](ctx context.Context, src *chanio.Source[T], init A, f func(A, T) A) (A, error) {
	acc := init
	err := each(ctx, src, "pipeline.Reduce", func(v T) error {
		acc = f(acc, v)
		return nil
	})
	return acc, err
}

// Collect returns all values of src when it has ended. If src fails or ctx ends, it returns that error and what it has
// so far; after ctx's end src can be used again. It has no bound of its own: put [Take] in front for one.
func Collect[T any](ctx context.Context, src *chanio.Source[T]) ([]T, error) {
	var all []T
	err := each(ctx, src, "pipeline.Collect", func(v T) error {
		all = append(all, v)
		return nil
	})
	return all, err
}

// ForEach calls f with every value of src, in the caller's goroutine, and returns nil when src has ended well, its
// failure if it failed, and ctx's cause if ctx ended; src can be used again then. An error of f closes src and is
// returned, io.EOF as nil. A panic of f closes src and goes on. It is Manifold's consume and consume-async, which
// report neither the error of f nor that of src.
func ForEach[T any](ctx context.Context, src *chanio.Source[T], f func(T) error) error {
	return each(ctx, src, "pipeline.ForEach", f)
}

// each is ForEach under the name of its caller.
func each[T any](ctx context.Context, src *chanio.Source[T], stage string, f func(T) error) error {
	up := src.Claim(stage)
	returned := false
	defer func() {
		defer up.Release()
		if !returned {
			crash(ctx, up, recover())
		}
	}()
	err := eachOf(ctx, up, f)
	returned = true
	return err
}

func eachOf[T any](ctx context.Context, up chanio.Upstream[T], f func(T) error) error {
	for {
		v, err := up.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(v); err != nil {
			_ = up.Close() // err is what matters
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// crash ends up because the goroutine that consumes it panicked with v, or with nil v called runtime.Goexit. A panic
// goes on.
func crash[T any](ctx context.Context, up chanio.Upstream[T], v any) {
	_ = up.Fail(ctx, chanio.Recovered(v))
	if v != nil {
		panic(v)
	}
}
