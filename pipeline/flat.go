package pipeline

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
)

// FlatMap passes on, one by one, the elements of the slice that f returns for every value. The stage owns that slice.
// It works in the receiver's goroutine. An end or failure of src comes after the elements, and a cancelled Recv loses
// none.
func FlatMap[A, B any](src *chanio.Source[A], f func(A) []B) *chanio.Source[B] {
	must(f != nil, "FlatMap: f is nil")
	e := &expand[A, B]{up: src.Claim("pipeline.FlatMap"), step: func(a A) ([]B, error) { return f(a), nil }}
	return chanio.NewSource(e.hooks())
}

// Flatten passes on the elements of slices. It reverses [Batch].
func Flatten[T any](src *chanio.Source[[]T]) *chanio.Source[T] {
	e := &expand[[]T, T]{
		up:   claimToHold(src, "Flatten"),
		step: func(vs []T) ([]T, error) { return vs, nil },
	}
	h := e.hooks()
	if e.up.Undelivered() != nil {
		h = derive(e.up, func(ctx context.Context) (v T, ok bool, err error) {
			defer func() {
				if len(e.ready) > 0 { // between two calls up holds it, and gives it back on Close
					e.up.Unread(e.ready)
					e.ready = nil
				}
			}()
			return e.pull(ctx)
		})
		h.Undelivered, h.KeepUntaken = func(v T) { e.up.Drop([]T{v}) }, true
	}
	return chanio.NewSource(h)
}

// Transform is a stage in which every step may yield any number of values, written as straight-line code: step is
// called with each value of src and calls emit for each value to pass on. Variables captured by step hold its state.
// Transform works in the receiver's goroutine and starts no goroutine.
//
// If step returns io.EOF, src is closed at once and the stream ends cleanly after the values emitted so far; any other
// error ends it the same way with that error. last, if not nil, is called once when src has ended or failed, or step
// has returned io.EOF, to emit remaining values before the end. A cancelled Recv loses nothing.
func Transform[A, B any](
	src *chanio.Source[A], step func(v A, emit func(B)) error, last func(emit func(B)),
) *chanio.Source[B] {
	must(step != nil, "Transform: step is nil")
	var emitted []B
	emit := func(v B) { emitted = append(emitted, v) }
	e := &expand[A, B]{up: src.Claim("pipeline.Transform")}
	e.step = func(v A) ([]B, error) {
		clear(emitted)
		emitted = emitted[:0]
		err := step(v, emit)
		return emitted, err
	}
	if last != nil {
		e.last = func() []B {
			if len(e.ready) == 0 { // everything emitted has been taken
				emitted = nil
			}
			last(emit)
			return emitted
		}
	}
	return chanio.NewSource(e.hooks())
}

// expand is a stage that makes any number of values from each value that it takes.
type expand[A, B any] struct {
	up    chanio.Upstream[A]
	step  func(A) ([]B, error) // an error ends the stream, after the values
	last  func() []B           // returns further values of step; nil: there are none
	ready []B
	end   error // comes after ready
}

func (e *expand[A, B]) hooks() chanio.SourceHooks[B] {
	h := derive(e.up, e.pull)
	h.AtHand = e.atHand
	return h
}

func (e *expand[A, B]) pull(ctx context.Context) (b B, ok bool, err error) {
	for {
		if ctxEnded(ctx) { // an upstream that never waits may not check ctx
			return b, false, chanio.Cause(ctx)
		}
		if len(e.ready) > 0 {
			b, e.ready = e.ready[0], e.ready[1:]
			return b, true, nil
		}
		if e.end != nil {
			return b, false, e.end
		}
		a, ok, err := take(ctx, e.up)
		switch {
		case ok:
			e.advance(a)
		case err == nil || resumable(ctx, err):
			return b, false, err
		default:
			if e.end = err; e.last != nil {
				e.ready = e.last()
			}
		}
	}
}

// advance calls step with a.
func (e *expand[A, B]) advance(a A) {
	var err error
	if e.ready, err = e.step(a); err != nil {
		_ = e.up.Close() // err is returned instead
		if e.end = final(err); err == io.EOF && e.last != nil {
			e.ready = e.last()
		}
	}
}

func (e *expand[A, B]) atHand(dst []B) []B {
	n := min(len(e.ready), cap(dst)-len(dst))
	dst = append(dst, e.ready[:n]...)
	e.ready = e.ready[n:]
	return dst
}
