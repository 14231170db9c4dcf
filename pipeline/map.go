package pipeline

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Map applies f to every value, in the goroutine of the receiver. It is Manifold's map of one stream.
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

// Filter keeps the values for which keep is true. It is Manifold's filter.
func Filter[T any](src *chanio.Source[T], keep func(T) bool) *chanio.Source[T] {
	up := src.Claim("pipeline.Filter")
	return derive(up, func(ctx context.Context) (T, error) {
		for {
			v, err := up.Next(ctx)
			if err != nil || keep(v) {
				return v, err
			}
		}
	})
}

// derive returns the Source of a stage over one upstream: closing and readiness pass through.
func derive[A, B any](up chanio.Upstream[A], next func(context.Context) (B, error)) *chanio.Source[B] {
	return chanio.NewSource(chanio.SourceHooks[B]{Next: next, Close: up.Close, OnWait: up.OnWait})
}
