package pipeline

import (
	"context"
	"math"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Throttle passes on one value per interval on average, and up to burst at once after a pause: a token bucket of burst
// tokens that gains one per interval (the generic cell rate algorithm of ITU-T I.371). The first value passes at once.
// A rate of 300 per second is an interval of time.Second/300.
//
// It waits in the receiver's goroutine while holding one value, which a cancelled Recv keeps. An end or error of src is
// not delayed.
func Throttle[T any](src *chanio.Source[T], interval time.Duration, burst int) *chanio.Source[T] {
	atLeast("Throttle", "interval", interval, 1)
	atLeast("Throttle", "burst", burst, 1)
	t := &throttle[T]{up: src.Claim("pipeline.Throttle"), interval: interval}
	t.slack = math.MaxInt64
	if int64(burst-1) <= math.MaxInt64/int64(interval) {
		t.slack = time.Duration(burst-1) * interval
	}
	return chanio.NewSource(pass(t.up, timed(t.up, &t.alarm, t.pull)))
}

type throttle[T any] struct {
	up       chanio.Upstream[T]
	interval time.Duration
	slack    time.Duration // how long before its turn a value may pass
	turn     time.Time     // of the next value at an even pace
	alarm    alarm
}

func (t *throttle[T]) pull(ctx context.Context) (v T, ok bool, err error) {
	if ctx == nil && time.Now().Before(t.turn.Add(-t.slack)) {
		return v, false, nil
	}
	if v, ok, err = take(ctx, t.up); !ok {
		return v, false, err
	}
	now := time.Now()
	if at := t.turn.Add(-t.slack); now.Before(at) {
		if err := t.alarm.sleep(ctx, at); err != nil {
			t.up.Unread(v)
			return *new(T), false, err
		}
		now = at // not the time when the timer fired, so delays do not add up
	}
	if now.After(t.turn) {
		t.turn = now
	}
	t.turn = t.turn.Add(t.interval)
	return v, true, nil
}
