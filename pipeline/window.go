package pipeline

import (
	"context"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Span is what fell into one period of the clock: from Start up to, and without, End.
type Span[A any] struct {
	Start, End time.Time
	Value      A
}

// Window collects the values of every period of the clock: with a period of a minute each Span ends on the full minute.
// Empty ones are passed on too. A Span that has n values takes no more: src is held back until it ends.
//
// The first Span starts with the first Recv. A value belongs to the one in which it was received, so a late receiver
// gets each Span that is due, none merged, and the values that piled up upstream meanwhile come with the present one.
//
// It works in the goroutine of the receiver. When src ends or fails, what was collected comes first, in a Span that
// ends then; a cancel keeps it. For an aggregate that does not keep the values see [Rollup].
func Window[T any](src *chanio.Source[T], period time.Duration, n int) *chanio.Source[Span[[]T]] {
	atLeast("period", period, 1)
	atLeast("n", n, 1)
	w := &window[T, []T]{
		up: src.Claim("pipeline.Window"), period: period, limit: n,
		fresh: func() []T { return nil },
		add:   func(all []T, v T) []T { return append(all, v) },
	}
	return w.source()
}

// Rollup folds the values of every period of the clock into one: fresh makes the accumulator of a period, add puts a
// value to it. For the rest it is [Window], whose values are not limited.
func Rollup[T, A any](
	src *chanio.Source[T], period time.Duration, fresh func() A, add func(A, T) A,
) *chanio.Source[Span[A]] {
	atLeast("period", period, 1)
	w := &window[T, A]{up: src.Claim("pipeline.Rollup"), period: period, fresh: fresh, add: add}
	return w.source()
}

type window[T, A any] struct {
	up     chanio.Upstream[T]
	period time.Duration
	limit  int // of values in one span; 0: none
	fresh  func() A
	add    func(A, T) A

	now   Span[A]
	begun bool // now is being filled
	count int  // of its values
	over  bool // the upstream has ended, and now with it
	alarm alarm
	sleep *sleeper
}

func (w *window[T, A]) source() *chanio.Source[Span[A]] {
	w.sleep = newSleeper()
	return chanio.NewSource(chanio.SourceHooks[Span[A]]{
		Next: w.next,
		Close: func() error {
			w.sleep.wake()
			return w.up.Close()
		},
		Describe: func() chanio.Description { return describe(w.up.Describe()) },
	})
}

func (w *window[T, A]) next(ctx context.Context) (none Span[A], err error) {
	if !w.begun {
		w.begin(time.Now())
	}
	for !w.over {
		if !time.Now().Before(w.now.End) {
			return w.take(), nil
		}
		err := w.fill(ctx)
		switch {
		case rang(ctx, err):
		case gaveUp(ctx, err):
			return none, context.Cause(ctx)
		default:
			w.over = true
			w.alarm.stop()
			if w.count > 0 {
				w.now.End = time.Now()
				return w.now, nil
			}
		}
	}
	_, err = w.up.Next(ctx) // repeats how it ended
	return none, err
}

// fill takes values until the span ends, with errDue, or something else does.
func (w *window[T, A]) fill(ctx context.Context) error {
	bound := w.alarm.until(ctx, w.now.End)
	for w.limit == 0 || w.count < w.limit {
		v, err := w.up.Next(bound)
		if err != nil {
			return err
		}
		if bound.Err() != nil {
			w.up.Unread(v) // belongs to the next span
			return context.Cause(bound)
		}
		w.now.Value = w.add(w.now.Value, v)
		w.count++
	}
	if err := w.sleep.sleep(ctx, w.now.End); err != nil {
		return err
	}
	return errDue
}

// begin starts the span that holds the given moment.
func (w *window[T, A]) begin(at time.Time) {
	w.now = Span[A]{Start: at, End: at.Truncate(w.period).Add(w.period), Value: w.fresh()}
	w.begun, w.count = true, 0
}

// take hands over the span and begins the next.
func (w *window[T, A]) take() Span[A] {
	full := w.now
	w.begin(full.End)
	return full
}
