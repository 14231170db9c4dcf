package pipeline

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
)

// FlatMap passes on the elements of what f makes of every value, one by one. f gives up the slice. It works in the
// goroutine of the receiver. An end and an error of src come after the elements; a cancel loses none of them. It is
// Manifold's mapcat.
func FlatMap[A, B any](src *chanio.Source[A], f func(A) []B) *chanio.Source[B] {
	up := src.Claim("pipeline.FlatMap")
	var rest []B
	return derive(up, func(ctx context.Context) (b B, err error) {
		for len(rest) == 0 {
			a, err := up.Next(ctx)
			if err != nil {
				return b, err
			}
			rest = f(a)
		}
		b, rest = rest[0], rest[1:]
		return b, nil
	})
}

// Flatten passes on the elements of slices: it undoes [Batch].
func Flatten[T any](src *chanio.Source[[]T]) *chanio.Source[T] {
	up := src.Claim("pipeline.Flatten")
	var rest []T
	return derive(up, func(ctx context.Context) (v T, err error) {
		for len(rest) == 0 {
			if rest, err = up.Next(ctx); err != nil {
				return v, err
			}
		}
		v, rest = rest[0], rest[1:]
		return v, nil
	})
}

// Transform is a stage whose every step may pass on any number of values, written as straight-line code: step is called
// with each value of src and calls emit for what it passes on. State lives in the variables that step closes over. It
// works in the goroutine of the receiver and starts nothing.
//
// When step returns io.EOF the stream ends well after what was emitted, and src is closed at once. Any other error ends
// it in the same way with that error. last, if it is not nil, is called once when src has ended or failed, or step
// returned io.EOF, and emits what is still held; after that comes the end. A cancel loses nothing. Transform answers to
// Manifold's transform with a transducer, last to the completion step.
func Transform[A, B any](
	src *chanio.Source[A], step func(v A, emit func(B)) error, last func(emit func(B)),
) *chanio.Source[B] {
	t := &transform[A, B]{up: src.Claim("pipeline.Transform"), step: step, last: last}
	t.emit = func(v B) { t.ready = append(t.ready, v) }
	return derive(t.up, t.next)
}

type transform[A, B any] struct {
	up    chanio.Upstream[A]
	step  func(v A, emit func(B)) error
	last  func(emit func(B))
	emit  func(B)
	ready []B // emitted; taken up to read
	read  int
	end   error // comes after ready
}

func (t *transform[A, B]) next(ctx context.Context) (v B, err error) {
	for t.read == len(t.ready) {
		if t.end != nil {
			return v, t.end
		}
		clear(t.ready)
		t.ready, t.read = t.ready[:0], 0
		if err := t.advance(ctx); err != nil {
			return v, err
		}
	}
	v = t.ready[t.read]
	t.read++
	return v, nil
}

// advance takes one value or notes the end. It returns an error only if ctx ended.
func (t *transform[A, B]) advance(ctx context.Context) error {
	v, err := t.up.Next(ctx)
	if err == nil {
		if t.end = t.step(v, t.emit); t.end != nil {
			_ = t.up.Close() // t.end is what matters
		}
	} else if t.end = err; isEndOf(ctx, err) {
		t.end = nil
		return err
	}
	if t.last != nil && (err != nil || t.end == io.EOF) {
		t.last(t.emit)
	}
	return nil
}
