package pipeline

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Map applies f to every value, in the goroutine of the receiver. It keeps nothing and starts nothing: an end, an error
// and a cancel of src pass through.
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

// MapErr applies f to every value, in the goroutine of the receiver. An error of f ends the stream with that error and
// closes src; io.EOF ends it cleanly. If f returns the error of the receiver's ctx because that has ended, the value goes
// back to src and the next Recv calls f with it again. Otherwise it is [Map].
func MapErr[A, B any](src *chanio.Source[A], f func(A) (B, error)) *chanio.Source[B] {
	must(f != nil, "MapErr: f is nil")
	up := src.Claim("pipeline.MapErr")
	return chanio.NewSource(fuse(up, func(a A) (B, bool, error) {
		b, err := f(a)
		return b, true, err
	}))
}

// Filter keeps the values for which keep is true. The others are dropped, and closed if somebody has to close them (see
// SourceHooks.Undelivered). It works in the goroutine of the receiver, keeps nothing and starts nothing.
func Filter[T any](src *chanio.Source[T], keep func(T) bool) *chanio.Source[T] {
	must(keep != nil, "Filter: keep is nil")
	return sieve(src.Claim("pipeline.Filter"), keep)
}

// FilterMap applies f to every value and passes on the results for which it reports true: Filter and Map in one.
func FilterMap[A, B any](src *chanio.Source[A], f func(A) (B, bool)) *chanio.Source[B] {
	must(f != nil, "FilterMap: f is nil")
	up := src.Claim("pipeline.FilterMap")
	return chanio.NewSource(fuse(up, func(a A) (B, bool, error) {
		b, ok := f(a)
		return b, ok, nil
	}))
}

// Tap calls f with every value that a receiver takes, before the receiver gets it, for instance to count or log. f must
// not retain a value that the receiver may change.
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
	return sift(claimToHold(src, "Compact"), func(v T) (bool, error) { return changed(v), nil }) // the one before is v
}

// CompactFunc is [Compact] with a function that tells whether a value equals the one that was passed on before it.
func CompactFunc[T any](src *chanio.Source[T], equal func(before, v T) bool) *chanio.Source[T] {
	must(equal != nil, "CompactFunc: equal is nil")
	return sieve(claimToHold(src, "CompactFunc"), change(equal))
}

// change reports whether a value differs from the one for which it did so last.
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
