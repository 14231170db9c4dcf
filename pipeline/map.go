package pipeline

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Map applies f to every value, in the receiver's goroutine. It holds no values and starts no goroutine. The end,
// failure and cancellation of src pass through.
func Map[A, B any](src *chanio.Source[A], f func(A) B) *chanio.Source[B] {
	must(f != nil, "Map: f is nil")
	up := src.Claim("pipeline.Map")
	h := fuse(up, func(a A) (B, bool, error) { return f(a), true, nil })
	h.Next = func(ctx context.Context) (b B, err error) {
		a, err := up.Next(ctx)
		if err != nil {
			return b, err
		}
		return f(a), nil
	}
	return chanio.NewSource(h)
}

// MapErr applies f to every value, in the receiver's goroutine. An error of f ends the stream with that error and
// closes src; io.EOF ends it cleanly. If f returns the error of the receiver's ctx because that has ended, the value is
// put back into src, and the next Recv calls f with it again. In all else it is [Map].
func MapErr[A, B any](src *chanio.Source[A], f func(A) (B, error)) *chanio.Source[B] {
	must(f != nil, "MapErr: f is nil")
	up := src.Claim("pipeline.MapErr")
	return chanio.NewSource(fuse(up, func(a A) (B, bool, error) {
		b, err := f(a)
		return b, true, err
	}))
}

// Filter passes on the values for which keep returns true. Other values are dropped, or closed if they must be (see
// SourceHooks.Undelivered). Filter works in the receiver's goroutine, holds no values and starts no goroutine.
func Filter[T any](src *chanio.Source[T], keep func(T) bool) *chanio.Source[T] {
	must(keep != nil, "Filter: keep is nil")
	return sieve(src.Claim("pipeline.Filter"), keep)
}

// FilterMap applies f to every value and passes on the results for which f reports true.
func FilterMap[A, B any](src *chanio.Source[A], f func(A) (B, bool)) *chanio.Source[B] {
	must(f != nil, "FilterMap: f is nil")
	up := src.Claim("pipeline.FilterMap")
	return chanio.NewSource(fuse(up, func(a A) (B, bool, error) {
		b, ok := f(a)
		return b, ok, nil
	}))
}

// Tap calls f with every value before it is received, for instance to count or log it. f must not retain a value that
// the receiver may modify.
func Tap[T any](src *chanio.Source[T], f func(T)) *chanio.Source[T] {
	must(f != nil, "Tap: f is nil")
	return sift(src.Claim("pipeline.Tap"), func(v T) (bool, error) {
		f(v)
		return true, nil
	})
}

// Compact drops every value that equals the one before it, like slices.Compact: distinct-until-changed.
func Compact[T comparable](src *chanio.Source[T]) *chanio.Source[T] {
	changed := change(func(a, b T) bool { return a == b })
	return sift(claimToHold(src, "Compact"), func(v T) (bool, error) { return changed(v), nil }) // it keeps the value before
}

// CompactFunc is [Compact] with a function that reports whether a value equals the last one passed on.
func CompactFunc[T any](src *chanio.Source[T], equal func(before, v T) bool) *chanio.Source[T] {
	must(equal != nil, "CompactFunc: equal is nil")
	return sieve(claimToHold(src, "CompactFunc"), change(equal))
}

// change reports whether a value differs from the last one for which it reported true.
func change[T any](equal func(before, v T) bool) func(T) bool {
	var before T
	first := true
	return func(v T) bool {
		if !first && equal(before, v) {
			return false
		}
		before, first = v, false
		return true
	}
}
