package pipeline

import (
	"context"
	"fmt"

	"github.com/weir-go/weir/chanio"
)

// must panics with text, which names the function, unless ok.
func must(ok bool, text string) {
	if !ok {
		panic("pipeline: " + text)
	}
}

// atLeast panics unless the argument called name is at least minimum.
func atLeast[N ~int | ~int64](stage, name string, v, minimum N) {
	if v < minimum {
		panic(fmt.Sprintf("pipeline: %s: %s is %v, must be at least %v", stage, name, v, minimum))
	}
}

// claim is src.Claim for a stage with goroutines.
func claim[T any](ctx context.Context, src *chanio.Source[T], stage string) chanio.Upstream[T] {
	must(ctx != nil, stage+": ctx is nil")
	return claimToHold(src, stage)
}

// claimToHold is src.Claim for a stage that holds values while it takes others. It rejects borrowed values.
func claimToHold[T any](src *chanio.Source[T], stage string) chanio.Upstream[T] {
	up := src.Claim("pipeline." + stage)
	mayHold(!up.Borrowed(), stage)
	return up
}

func mayHold(ok bool, stage string) {
	must(ok, stage+" holds values, and those of this Source are borrowed: copy them with Map first")
}

// consume calls f as the only consumer of src. If f panics, src is closed.
func consume[T any](
	ctx context.Context, src *chanio.Source[T], stage string, f func(up chanio.Upstream[T]) error,
) error {
	up, err := acquire(ctx, src, stage)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if returned {
			up.Release()
		} else {
			crashed(ctx, up, recover())
		}
	}()
	err = f(up)
	returned = true
	return err
}

// acquire makes the caller the only consumer of src.
//
//go:noinline
func acquire[T any](ctx context.Context, src *chanio.Source[T], stage string) (chanio.Upstream[T], error) {
	must(ctx != nil, stage+": ctx is nil")
	return src.Acquire(ctx, "pipeline."+stage)
}

// crashed ends the Source of a call that panicked with v. A nil v means runtime.Goexit, which continues by itself.
//
//go:noinline
func crashed[T any](ctx context.Context, up chanio.Upstream[T], v any) {
	defer up.Release()
	_ = up.Fail(ctx, chanio.Recovered(v))
	if v != nil {
		panic(v)
	}
}
