package pipeline

import (
	"context"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Periodically passes on what f returns for every multiple of period on the clock, first for the next one after the
// first Recv: with a period of a second, on the full second. f gets that moment and runs in the goroutine of the
// receiver, which waits there until the moment has come. A late receiver gets a value for each moment that is due, none
// merged. The stream ends when it is closed. It is Manifold's periodically without an initial delay.
func Periodically[T any](period time.Duration, f func(at time.Time) T) *chanio.Source[T] {
	atLeast("period", period, 1)
	s := newSleeper()
	var at time.Time
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: func(ctx context.Context) (v T, err error) {
			if at.IsZero() {
				at = time.Now().Truncate(period).Add(period)
			}
			if err := s.sleep(ctx, at); err != nil {
				return v, err
			}
			now := at
			at = at.Add(period)
			return f(now), nil
		},
		Close: func() error {
			s.wake()
			return nil
		},
		Describe: func() chanio.Description { return chanio.Description{Kind: "pipeline.Periodically"} },
	})
}
