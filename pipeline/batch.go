package pipeline

import (
	"context"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Batch collects values into slices of n. If delay is more than 0, a slice that has waited that long since its first
// value is passed on as it is; a delay of 0 waits for ever. No slice is empty, and each belongs to its receiver.
//
// It works in the goroutine of the receiver, so the delay is noticed while somebody receives. When src ends or fails,
// what was collected comes first and then the end; a cancel keeps it. It is Manifold's batch.
func Batch[T any](src *chanio.Source[T], n int, delay time.Duration) *chanio.Source[[]T] {
	atLeast("n", n, 1)
	atLeast("delay", delay, 0)
	return newBatch(src.Claim("pipeline.Batch"), nil, n, delay)
}

// BatchBy is [Batch] by weight: a slice is passed on when the metrics of its values come to limit, and before a value
// that would lead beyond it. A single value beyond the limit is a slice of its own.
func BatchBy[T any](src *chanio.Source[T], metric func(T) int, limit int, delay time.Duration) *chanio.Source[[]T] {
	atLeast("limit", limit, 1)
	atLeast("delay", delay, 0)
	return newBatch(src.Claim("pipeline.BatchBy"), metric, limit, delay)
}

func newBatch[T any](up chanio.Upstream[T], metric func(T) int, limit int, delay time.Duration) *chanio.Source[[]T] {
	b := &batch[T]{up: up, metric: metric, limit: limit, delay: delay}
	return derive(up, b.next)
}

type batch[T any] struct {
	up     chanio.Upstream[T]
	metric func(T) int // nil: 1
	limit  int
	delay  time.Duration

	held   []T
	weight int
	due    time.Time // of held
	alarm  alarm
	size   int // of the last batch: what to allocate for the next
}

func (b *batch[T]) next(ctx context.Context) ([]T, error) {
	if b.delay > 0 && len(b.held) > 0 && !time.Now().Before(b.due) {
		return b.take(), nil
	}
	for {
		v, err := b.up.Next(b.bound(ctx))
		switch {
		case err == nil:
			if full := b.add(v); full != nil {
				return full, nil
			}
		case rang(ctx, err):
			if !time.Now().Before(b.due) {
				return b.take(), nil
			}
		case gaveUp(ctx, err):
			return nil, context.Cause(ctx)
		case len(b.held) > 0:
			return b.take(), nil // the upstream will repeat err
		default:
			b.alarm.stop()
			return nil, err
		}
	}
}

// bound is ctx, ended early when held is due.
func (b *batch[T]) bound(ctx context.Context) context.Context {
	if b.delay == 0 || len(b.held) == 0 {
		return ctx
	}
	return b.alarm.until(ctx, b.due)
}

// add puts v to what is held and returns a batch if that completes one.
func (b *batch[T]) add(v T) (full []T) {
	w := 1
	if b.metric != nil {
		w = b.metric(v)
	}
	if len(b.held) > 0 && b.weight+w > b.limit {
		full = b.take()
		if w >= b.limit {
			b.up.Unread(v) // a batch of its own, next time
			return full
		}
	}
	if len(b.held) == 0 {
		b.held = make([]T, 0, max(b.size, 1))
		if b.delay > 0 {
			b.due = time.Now().Add(b.delay)
		}
	}
	b.held = append(b.held, v)
	if b.weight += w; b.weight >= b.limit {
		return b.take()
	}
	return full
}

// take hands over what is held.
func (b *batch[T]) take() []T {
	full := b.held
	b.size = len(full)
	b.held, b.weight = nil, 0
	return full
}
