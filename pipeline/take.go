package pipeline

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
)

// Take ends the stream cleanly after n values, and closes src with the last of them, without waiting for another. With
// n = 0 the first Recv closes it. It works in the goroutine of the receiver.
func Take[T any](src *chanio.Source[T], n int) *chanio.Source[T] {
	atLeast("Take", "n", n, 0)
	t := &take[T]{up: src.Claim("pipeline.Take"), left: n}
	h := pass(t.up, t.next, t.tryNext)
	h.AtHand = t.atHand
	return chanio.NewSource(h)
}

type take[T any] struct {
	up   chanio.Upstream[T]
	left int
}

// took counts k values, and closes the upstream after the last.
func (t *take[T]) took(k int) {
	if t.left -= k; t.left == 0 {
		_ = t.up.Close() // nobody waits for what it returns
	}
}

func (t *take[T]) next(ctx context.Context) (v T, err error) {
	if t.left == 0 {
		_ = t.up.Close()
		return v, io.EOF
	}
	if v, err = t.up.Next(ctx); err == nil {
		t.took(1)
	}
	return v, err
}

func (t *take[T]) tryNext() (v T, ok bool, err error) {
	if t.left == 0 {
		_ = t.up.Close()
		return v, false, io.EOF
	}
	if v, ok, err = t.up.TryNext(); ok {
		t.took(1)
	}
	return v, ok, err
}

func (t *take[T]) atHand(dst []T) []T {
	if t.left == 0 {
		return dst
	}
	room := min(cap(dst)-len(dst), t.left)
	got := len(t.up.AtHand(dst[:len(dst):len(dst)+room])) - len(dst)
	t.took(got)
	return dst[:len(dst)+got]
}

// TakeWhile ends the stream cleanly before the first value for which keep is false, and closes src. That value is
// dropped.
func TakeWhile[T any](src *chanio.Source[T], keep func(T) bool) *chanio.Source[T] {
	must(keep != nil, "TakeWhile: keep is nil")
	up := src.Claim("pipeline.TakeWhile")
	return sift(up, func(v T) (bool, error) {
		if keep(v) {
			return true, nil
		}
		_ = up.Close() // the end is what matters
		up.Unread(v)
		return false, io.EOF
	})
}

// Drop drops the first n values. A cancel meanwhile forgets none of what was dropped.
func Drop[T any](src *chanio.Source[T], n int) *chanio.Source[T] {
	atLeast("Drop", "n", n, 0)
	up := src.Claim("pipeline.Drop")
	return sift(up, func(v T) (bool, error) {
		if n == 0 {
			return true, nil
		}
		n--
		up.Drop(v)
		return false, nil
	})
}

// DropWhile drops values up to the first for which drop is false.
func DropWhile[T any](src *chanio.Source[T], drop func(T) bool) *chanio.Source[T] {
	must(drop != nil, "DropWhile: drop is nil")
	dropping := true
	return sift(src.Claim("pipeline.DropWhile"), func(v T) (bool, error) {
		dropping = dropping && drop(v)
		return !dropping, nil
	})
}
