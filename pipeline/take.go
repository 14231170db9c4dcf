package pipeline

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
)

// Take ends the stream cleanly after n values, and closes src when it yields the last one, without waiting for another.
// With n = 0 the first Recv closes src. It works in the receiver's goroutine.
func Take[T any](src *chanio.Source[T], n int) *chanio.Source[T] {
	atLeast("Take", "n", n, 0)
	up := src.Claim("pipeline.Take")
	h := pass(up, derive(up, func(ctx context.Context) (v T, ok bool, err error) {
		if n == 0 {
			if ctxEnded(ctx) {
				return v, false, chanio.Cause(ctx)
			}
			_ = up.Close()
			return v, false, io.EOF
		}
		if v, ok, err = take(ctx, up); ok {
			if n--; n == 0 {
				orPutBack(up, v, func() { _ = up.Close() }) // the stage has ended; the result is not needed
			}
		}
		return v, ok, err
	}))
	h.AtHand = func(dst []T) []T { // all but the last, whose pull closes src
		room := min(cap(dst)-len(dst), max(0, n-1))
		got := len(up.AtHand(dst[:len(dst):len(dst)+room])) - len(dst)
		n -= got
		return dst[:len(dst)+got]
	}
	return chanio.NewSource(h)
}

// TakeWhile ends the stream cleanly at the first value for which keep returns false, and closes src. That value is
// dropped.
func TakeWhile[T any](src *chanio.Source[T], keep func(T) bool) *chanio.Source[T] {
	must(keep != nil, "TakeWhile: keep is nil")
	up := src.Claim("pipeline.TakeWhile")
	return sift(up, func(v T) (bool, error) {
		if keep(v) {
			return true, nil
		}
		_ = up.Close() // the stage ends cleanly either way
		up.Unread(v)
		return false, io.EOF
	})
}

// Drop drops the first n values. If a Recv is cancelled meanwhile, the count of dropped values is kept.
func Drop[T any](src *chanio.Source[T], n int) *chanio.Source[T] {
	atLeast("Drop", "n", n, 0)
	return sieve(src.Claim("pipeline.Drop"), func(T) bool {
		if n == 0 {
			return true
		}
		n--
		return false
	})
}

// DropWhile drops values until drop returns false for one.
func DropWhile[T any](src *chanio.Source[T], drop func(T) bool) *chanio.Source[T] {
	must(drop != nil, "DropWhile: drop is nil")
	dropping := true
	return sieve(src.Claim("pipeline.DropWhile"), func(v T) bool {
		dropping = dropping && drop(v)
		return !dropping
	})
}
