package pipeline

import (
	"context"
	"errors"

	"github.com/weir-go/weir/chanio"
)

// Zip combines the first value of as with the first of bs, and so on. It ends with the first of the two to end or fail,
// and closes the other at once; a value of as that has no partner is dropped then. A cancel keeps it. Zip works in the
// goroutine of the receiver. It is Manifold's zip, and map of two streams, which leave the other input open.
func Zip[A, B, C any](as *chanio.Source[A], bs *chanio.Source[B], combine func(A, B) C) *chanio.Source[C] {
	upA, upB := as.Claim("pipeline.Zip"), bs.Claim("pipeline.Zip")
	closeBoth := func() error { return errors.Join(upA.Close(), upB.Close()) }
	return chanio.NewSource(chanio.SourceHooks[C]{
		Next: func(ctx context.Context) (c C, err error) {
			a, err := upA.Next(ctx)
			if err != nil {
				return c, endZip(ctx, err, closeBoth)
			}
			b, err := upB.Next(ctx)
			if err == nil {
				return combine(a, b), nil
			}
			upA.Unread(a)
			return c, endZip(ctx, err, closeBoth)
		},
		Close:    closeBoth,
		Describe: func() chanio.Description { return describe(upA.Describe(), upB.Describe()) },
	})
}

// endZip closes both inputs if err is an end of one, and returns err.
func endZip(ctx context.Context, err error, closeBoth func() error) error {
	if !isEndOf(ctx, err) {
		_ = closeBoth() // err is what matters
	}
	return err
}
