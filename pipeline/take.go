package pipeline

import (
	"context"
	"fmt"
	"io"

	"github.com/weir-go/weir/chanio"
)

// Take ends the stream well after n values, and closes src with the last of them, without waiting for another. With
// n = 0 it is closed by the first Recv. It works in the goroutine of the receiver. In Manifold, transform with
// (take n) closes its input only when one more message was put, which is lost.
func Take[T any](src *chanio.Source[T], n int) *chanio.Source[T] {
	atLeast("n", n, 0)
	up := src.Claim("pipeline.Take")
	return pass(up, func(ctx context.Context) (v T, err error) {
		if n > 0 {
			if v, err = up.Next(ctx); err != nil {
				return v, err
			}
			n--
			if n == 0 {
				_ = up.Close() // nobody waits for what it says
			}
			return v, nil
		}
		_ = up.Close()
		return v, io.EOF
	})
}

// TakeWhile ends the stream well before the first value for which keep is false, and closes src. That value is dropped.
func TakeWhile[T any](src *chanio.Source[T], keep func(T) bool) *chanio.Source[T] {
	up := src.Claim("pipeline.TakeWhile")
	return pass(up, func(ctx context.Context) (none T, err error) {
		v, err := up.Next(ctx)
		if err != nil {
			return none, err
		}
		if keep(v) {
			return v, nil
		}
		_ = up.Close()
		return none, io.EOF
	})
}

// Drop drops the first n values. A cancel while it does so forgets none of what was dropped.
func Drop[T any](src *chanio.Source[T], n int) *chanio.Source[T] {
	atLeast("n", n, 0)
	up := src.Claim("pipeline.Drop")
	return pass(up, func(ctx context.Context) (T, error) {
		for ; n > 0; n-- {
			if v, err := up.Next(ctx); err != nil {
				return v, err
			}
		}
		return up.Next(ctx)
	})
}

// DropWhile drops values up to the first for which drop is false.
func DropWhile[T any](src *chanio.Source[T], drop func(T) bool) *chanio.Source[T] {
	up := src.Claim("pipeline.DropWhile")
	dropping := true
	return pass(up, func(ctx context.Context) (T, error) {
		for {
			v, err := up.Next(ctx)
			if err != nil || !dropping {
				return v, err
			}
			if dropping = drop(v); !dropping {
				return v, nil
			}
		}
	})
}

// atLeast panics unless the argument of that name is at least min.
func atLeast[N ~int | ~int64](name string, v, minimum N) {
	if v < minimum {
		panic(fmt.Sprintf("pipeline: %s must be at least %v, got %v", name, minimum, v))
	}
}
