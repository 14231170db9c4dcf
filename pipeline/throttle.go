package pipeline

import (
	"context"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Throttle passes on one value per interval on the average, and up to burst at once after a pause: a bucket that holds
// burst tokens and gains one per interval (the generic cell rate algorithm of ITU-T I.371). The first value is
// immediate. A rate of 300 per second is an interval of time.Second/300.
//
// It waits in the goroutine of the receiver, with a value in hand that a cancel keeps. An end or error of src is not
// delayed. It is Manifold's throttle, which charges a burst twice and so lets half of it through.
func Throttle[T any](src *chanio.Source[T], interval time.Duration, burst int) *chanio.Source[T] {
	atLeast("interval", interval, 1)
	atLeast("burst", burst, 1)
	t := &throttle[T]{up: src.Claim("pipeline.Throttle"), interval: interval, sleep: newSleeper()}
	t.slack = time.Duration(burst-1) * interval
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: t.next,
		Close: func() error {
			t.sleep.wake()
			return t.up.Close()
		},
		Undelivered: t.up.Undelivered(),
		Describe:    func() chanio.Description { return describe(t.up.Describe()) },
	})
}

type throttle[T any] struct {
	up       chanio.Upstream[T]
	interval time.Duration
	slack    time.Duration // how much earlier than its turn a value may pass
	turn     time.Time     // of the next value at an even pace
	sleep    *sleeper
}

func (t *throttle[T]) next(ctx context.Context) (none T, err error) {
	v, err := t.up.Next(ctx)
	if err != nil {
		return none, err
	}
	now := time.Now()
	if at := t.turn.Add(-t.slack); now.Before(at) {
		if err := t.sleep.sleep(ctx, at); err != nil {
			t.up.Unread(v)
			return none, err
		}
		now = at // not when the timer fired: its delays do not add up
	}
	if now.After(t.turn) {
		t.turn = now
	}
	t.turn = t.turn.Add(t.interval)
	return v, nil
}
