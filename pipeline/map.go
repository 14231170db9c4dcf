package pipeline

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Map applies f to every value, in the goroutine of the receiver. It keeps nothing and starts nothing: an end, an error
// and a cancel of src are its own. It is Manifold's map of one stream.
func Map[A, B any](src *chanio.Source[A], f func(A) B) *chanio.Source[B] {
	up := src.Claim("pipeline.Map")
	return derive(up, func(ctx context.Context) (b B, err error) {
		a, err := up.Next(ctx)
		if err != nil {
			return b, err
		}
		return f(a), nil
	})
}

// MapErr applies f to every value, in the goroutine of the receiver. An error of f ends the stream with that error and
// closes src; io.EOF ends it well. If f says that ctx ended, and that of the receiver did, the value goes back
// to src and the next Recv calls f with it again. Otherwise it is [Map].
func MapErr[A, B any](src *chanio.Source[A], f func(A) (B, error)) *chanio.Source[B] {
	up := src.Claim("pipeline.MapErr")
	return derive(up, func(ctx context.Context) (b B, err error) {
		a, err := up.Next(ctx)
		if err != nil {
			return b, err
		}
		if b, err = f(a); err != nil {
			err = giveUp(ctx, up, a, err)
		}
		return b, err
	})
}

// giveUp ends a stage whose function returned err for v, unless err says that ctx ended: v is put back then.
func giveUp[A any](ctx context.Context, up chanio.Upstream[A], v A, err error) error {
	if isEndOf(ctx, err) {
		up.Unread(v)
		return err
	}
	_ = up.Close() // err is what matters
	return err
}

// Filter keeps the values for which keep is true. It works in the goroutine of the receiver, keeps nothing and starts
// nothing. It is Manifold's filter.
func Filter[T any](src *chanio.Source[T], keep func(T) bool) *chanio.Source[T] {
	up := src.Claim("pipeline.Filter")
	return pass(up, func(ctx context.Context) (T, error) {
		for {
			v, err := up.Next(ctx)
			if err != nil || keep(v) {
				return v, err
			}
		}
	})
}

// FilterMap applies f to every value and passes on the results for which it reports true: Filter and Map in one.
func FilterMap[A, B any](src *chanio.Source[A], f func(A) (B, bool)) *chanio.Source[B] {
	up := src.Claim("pipeline.FilterMap")
	return derive(up, func(ctx context.Context) (b B, err error) {
		for {
			a, err := up.Next(ctx)
			if err != nil {
				return b, err
			}
			if b, ok := f(a); ok {
				return b, nil
			}
		}
	})
}

// Tap calls f with every value that a receiver takes, before the receiver has it. To count or log; f does not keep a
// value that the receiver may change.
func Tap[T any](src *chanio.Source[T], f func(T)) *chanio.Source[T] {
	up := src.Claim("pipeline.Tap")
	return pass(up, func(ctx context.Context) (T, error) {
		v, err := up.Next(ctx)
		if err == nil {
			f(v)
		}
		return v, err
	})
}

// Compact drops every value that equals the one before it, like slices.Compact: distinct-until-changed.
func Compact[T comparable](src *chanio.Source[T]) *chanio.Source[T] {
	return compact(src.Claim("pipeline.Compact"), func(a, b T) bool { return a == b })
}

// CompactFunc is [Compact] with a function that tells whether a value equals the one that was passed on before it.
func CompactFunc[T any](src *chanio.Source[T], equal func(before, v T) bool) *chanio.Source[T] {
	return compact(src.Claim("pipeline.CompactFunc"), equal)
}

func compact[T any](up chanio.Upstream[T], equal func(before, v T) bool) *chanio.Source[T] {
	var before T
	first := true
	return pass(up, func(ctx context.Context) (T, error) {
		for {
			v, err := up.Next(ctx)
			if err != nil {
				return v, err
			}
			if first || !equal(before, v) {
				before, first = v, false
				return v, nil
			}
		}
	})
}
