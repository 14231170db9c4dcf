package pipeline

import (
	"context"
	"slices"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Batch collects values into slices of n. If delay is positive, a slice is passed on incomplete once its first value
// has waited that long; with a delay of 0 it waits for n values. No slice is empty, and the receiver owns each.
//
// Batch works in the receiver's goroutine, so a delay takes effect only during a receive. When src ends or
// fails, the values collected so far come before the end. A cancelled Recv keeps them. To collect without waiting, see
// [ReadyChunks].
func Batch[T any](src *chanio.Source[T], n int, delay time.Duration) *chanio.Source[[]T] {
	atLeast("Batch", "n", n, 1)
	atLeast("Batch", "delay", delay, 0)
	return newBatch(claimToHold(src, "Batch"), nil, n, delay)
}

// BatchBy is [Batch] by weight: a slice is passed on when the sum of its values' weights, as returned by metric,
// reaches limit, and before a value that would exceed it. A weight below 1 counts as 1. A value above the limit forms a
// slice of its own.
func BatchBy[T any](src *chanio.Source[T], metric func(T) int, limit int, delay time.Duration) *chanio.Source[[]T] {
	must(metric != nil, "BatchBy: metric is nil")
	atLeast("BatchBy", "limit", limit, 1)
	atLeast("BatchBy", "delay", delay, 0)
	return newBatch(claimToHold(src, "BatchBy"), metric, limit, delay)
}

func newBatch[T any](up chanio.Upstream[T], metric func(T) int, limit int, delay time.Duration) *chanio.Source[[]T] {
	b := &batch[T]{up: up, metric: metric, limit: limit, delay: delay}
	h := timed(up, &b.alarm, lend(up, &b.held, b.pull))
	h.Undelivered, h.KeepUntaken = dropAll(up), true
	return chanio.NewSource(h)
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
	size   int // of the last batch, and the capacity of the next
}

func (b *batch[T]) pull(ctx context.Context) (full []T, ok bool, err error) {
	for !b.isDue() {
		v, ok, err := b.next(ctx)
		switch {
		case ok:
			if full = b.add(v); full != nil {
				return full, true, nil
			}
		case err == nil && ctx != nil: // due, or too early
		case err == nil || resumable(ctx, err) || len(b.held) == 0:
			return nil, false, err
		default:
			return b.take(), true, nil // the upstream repeats err
		}
	}
	return b.take(), true, nil
}

func (b *batch[T]) isDue() bool {
	return b.delay > 0 && len(b.held) > 0 && !time.Now().Before(b.due)
}

// next takes a value. It waits at most until held is due.
func (b *batch[T]) next(ctx context.Context) (v T, ok bool, err error) {
	if b.delay == 0 || len(b.held) == 0 {
		return take(ctx, b.up)
	}
	return await(ctx, &b.alarm, b.due, b.up)
}

// add appends v to held and returns the batch if v completes it.
func (b *batch[T]) add(v T) (full []T) {
	w := 1
	if b.metric != nil {
		orPutBack(b.up, v, func() { w = max(1, b.metric(v)) })
	}
	if len(b.held) > 0 && w > b.limit-b.weight {
		full = b.take()
		if w >= b.limit {
			b.up.Unread(v) // it becomes a batch of its own
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

// take returns held and empties it.
func (b *batch[T]) take() []T {
	full := b.held
	b.size = len(full)
	b.held, b.weight = nil, 0
	return full
}

// ReadyChunks collects values at hand into slices of at most n. It waits for the first value of a slice and adds only
// values that need no wait, so a receiver that keeps up gets each value at once, and one that is behind gets many
// together. This is the cheapest way to pass values across a channel or to [chanio.Sink.SendAll]. The receiver owns each
// slice. ReadyChunks works in the receiver's goroutine. If a stage above panics, the values taken before come first.
func ReadyChunks[T any](src *chanio.Source[T], n int) *chanio.Source[[]T] {
	atLeast("ReadyChunks", "n", n, 1)
	c := &readyChunks[T]{up: claimToHold(src, "ReadyChunks"), n: n}
	h := derive(c.up, c.pull)
	h.Undelivered, h.KeepUntaken = dropAll(c.up), true
	return chanio.NewSource(h)
}

type readyChunks[T any] struct {
	up       chanio.Upstream[T]
	n        int
	size     int // of the last chunk, and the capacity of the next
	panicked any // by a stage above, after a value was taken
}

func (c *readyChunks[T]) pull(ctx context.Context) ([]T, bool, error) {
	if v := c.panicked; v != nil { // the values taken before it have been received
		c.panicked = nil
		panic(v)
	}
	v, ok, err := take(ctx, c.up)
	if !ok {
		return nil, false, err
	}
	return c.collect(v), true, nil
}

// collect returns v and the values at hand after it.
func (c *readyChunks[T]) collect(v T) []T {
	chunk := append(make([]T, 0, min(max(c.size, 1), c.n)), v)
	for more := true; more && len(chunk) < c.n; {
		if len(chunk) == cap(chunk) {
			chunk = slices.Grow(chunk, min(len(chunk), c.n-len(chunk)))
			chunk = chunk[:len(chunk):min(cap(chunk), c.n)]
		}
		before := len(chunk)
		if chunk = c.up.AtHand(chunk); len(chunk) == before {
			chunk, more = c.one(chunk)
		}
	}
	c.size = len(chunk)
	return chunk
}

// one appends the next value if that needs no wait. A stage above may have to make it.
func (c *readyChunks[T]) one(chunk []T) (more []T, ok bool) {
	more = chunk
	returned := false
	defer func() {
		if returned {
			return
		}
		if c.panicked = recover(); c.panicked == nil { // runtime.Goexit: the chunk is not received
			unreadAll(c.up, chunk)
		}
	}()
	v, ok, _ := c.up.TryNext()
	if returned = true; ok {
		more = append(more, v)
	}
	return more, ok
}
