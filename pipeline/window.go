package pipeline

import (
	"context"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Span holds what was received in one period of the clock, from Start until before End.
type Span[A any] struct {
	Start, End time.Time
	Value      A
}

// Window collects the values of every period of the clock: with a period of a minute, each Span ends on the full
// minute. Empty Spans are passed on too. Once a Span has n values, Window stops receiving from src until it ends.
//
// The first Span starts with the first Recv. A value belongs to the Span in which it was received, so a late receiver
// gets each Span that is due, none merged, and the values that have accumulated upstream come with the current one.
// Adjusting the clock makes no Span due: the current one ends when the adjusted clock reaches a multiple of period.
//
// Window works in the receiver's goroutine. When src ends or fails, the values collected so far come first, in a Span
// that ends at that time; a cancelled Recv keeps them. For an aggregate that does not keep the values see [Rollup].
func Window[T any](src *chanio.Source[T], period time.Duration, n int) *chanio.Source[Span[[]T]] {
	atLeast("Window", "period", period, 1)
	atLeast("Window", "n", n, 1)
	w := &window[T, []T]{
		up: claimToHold(src, "Window"), clock: ticker{period: period}, limit: n,
		fresh: func() []T { return nil },
		add:   func(all []T, v T) []T { return append(all, v) },
	}
	h := timed(w.up, &w.alarm, lend(w.up, &w.now.Value, w.pull))
	if drop := dropAll(w.up); drop != nil {
		h.Undelivered, h.KeepUntaken = func(s Span[[]T]) { drop(s.Value) }, true
	}
	return chanio.NewSource(h)
}

// Rollup folds the values of every period of the clock into one: fresh returns the accumulator of a period, and add
// adds a value to it. It is otherwise like [Window], without a limit on values.
func Rollup[T, A any](
	src *chanio.Source[T], period time.Duration, fresh func() A, add func(A, T) A,
) *chanio.Source[Span[A]] {
	atLeast("Rollup", "period", period, 1)
	must(fresh != nil, "Rollup: fresh is nil")
	must(add != nil, "Rollup: add is nil")
	w := &window[T, A]{up: src.Claim("pipeline.Rollup"), clock: ticker{period: period}, fresh: fresh, add: add}
	return chanio.NewSource(timed(w.up, &w.alarm, w.pull))
}

type window[T, A any] struct {
	up    chanio.Upstream[T]
	limit int // of values in one span; 0: none
	fresh func() A
	add   func(A, T) A

	now   Span[A]
	clock ticker // due at the end of now
	begun bool   // now is being filled
	count int    // of values in now
	end   error  // of the upstream, returned after now
	alarm alarm
}

func (w *window[T, A]) pull(ctx context.Context) (none Span[A], ok bool, err error) {
	w.begin()
	for w.end == nil {
		if w.clock.isDue() {
			return w.take(), true, nil
		}
		err := w.fill(ctx)
		switch {
		case err == nil && (ctx != nil || w.clock.isDue()): // due, or too early
		case err == nil || resumable(ctx, err):
			return none, false, err
		default:
			w.end = err
			if last := w.now; w.count > 0 {
				last.End, w.now = time.Now().Round(0), Span[A]{}
				return last, true, nil
			}
		}
	}
	return none, false, w.end
}

// fill takes values until the span or the upstream ends, or the call does.
func (w *window[T, A]) fill(ctx context.Context) error {
	for w.limit == 0 || w.count < w.limit {
		v, ok, err := await(ctx, &w.alarm, w.clock.due, w.up)
		if !ok {
			return err
		}
		if w.clock.isDue() {
			w.up.Unread(v) // it belongs to the next span
			return nil
		}
		w.now.Value = w.add(w.now.Value, v)
		w.count++
	}
	if ctx == nil {
		return nil
	}
	return w.alarm.sleep(ctx, w.clock.due)
}

// begin starts the first span.
func (w *window[T, A]) begin() {
	if w.begun {
		return
	}
	now := time.Now()
	w.clock.start(now)
	w.now = Span[A]{Start: now.Round(0), End: w.clock.moment(), Value: w.fresh()}
	w.begun = true
}

// take returns the span and starts the next.
func (w *window[T, A]) take() Span[A] {
	full := w.now
	w.clock.advance(time.Now())
	w.now = Span[A]{Start: full.End, End: w.clock.moment(), Value: w.fresh()}
	w.count = 0
	return full
}
