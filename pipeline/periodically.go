package pipeline

import (
	"context"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Periodically yields the result of f for every multiple of period on the clock, starting with the next one after the
// first Recv: with a period of a second, on the full second. f is called with that time in the receiver's goroutine,
// which waits until then. A late receiver gets a value for each time that is due, none merged; adjusting the clock
// makes none due. The stream ends when it is closed.
func Periodically[T any](period time.Duration, f func(at time.Time) T) *chanio.Source[T] {
	atLeast("Periodically", "period", period, 1)
	must(f != nil, "Periodically: f is nil")
	a, t := &alarm{}, ticker{period: period}
	h := hooks(func(ctx context.Context) (v T, ok bool, err error) {
		if t.due.IsZero() {
			t.start(time.Now())
		}
		if ctx == nil && !t.isDue() {
			return v, false, nil
		}
		if ctx != nil {
			if err := a.sleep(ctx, t.due); err != nil {
				return v, false, err
			}
		}
		at := t.moment()
		t.advance(time.Now())
		return f(at), true, nil
	}, func() error {
		a.stop()
		return nil
	}, nil)
	h.Describe = func() chanio.Description { return chanio.Description{Kind: "pipeline.Periodically"} }
	return chanio.NewSource(h)
}
