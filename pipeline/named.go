package pipeline

import (
	"context"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// Named gives src a name for [Tree] and [Dot], and counts the values that pass: the one stage that counts. It works in
// the goroutine of the receiver and changes nothing.
func Named[T any](src *chanio.Source[T], name string) *chanio.Source[T] {
	up := src.Claim("pipeline.Named")
	var passed atomic.Uint64
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: func(ctx context.Context) (T, error) {
			v, err := up.Next(ctx)
			if err == nil {
				passed.Add(1)
			}
			return v, err
		},
		Close: up.Close, Undelivered: up.Undelivered(),
		Describe: func() chanio.Description {
			d := describe(up.Describe())
			d.Name, d.Passed = name, passed.Load()
			return d
		},
	})
}
