package pipeline

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// derive returns the Source of a stage over one upstream: closing, readiness and the description pass through.
func derive[A, B any](up chanio.Upstream[A], next func(context.Context) (B, error)) *chanio.Source[B] {
	return chanio.NewSource(chanio.SourceHooks[B]{
		Next: next, Close: up.Close,
		Describe: func() chanio.Description { return describe(up.Describe()) },
	})
}

// pass is derive for a stage that passes values on as they are: nobody's value stays so.
func pass[T any](up chanio.Upstream[T], next func(context.Context) (T, error)) *chanio.Source[T] {
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: next, Close: up.Close, Undelivered: up.Undelivered(),
		Describe: func() chanio.Description { return describe(up.Describe()) },
	})
}

// isEndOf reports whether err says that ctx ended, and it did.
func isEndOf(ctx context.Context, err error) bool {
	return chanio.Resumable(ctx, err)
}
