package pipeline

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// Tee gives every value of src to n branches. Each has a queue of DefaultQueue values and blocks: the slowest holds
// back the others. To change that for one of them, or all, there is [TeeWith]. The branches share the values, so nobody
// changes what they point to.
//
// One goroutine takes the values. It ends when src does, when ctx ends, or when the last branch is closed, and closes
// src in each case; a branch that is closed before merely gets no more. An end or a failure of src, ctx's cause, and a
// panic in a stage above as a *chanio.PanicError come to every branch after the values that it holds. It answers to
// Manifold's several connects from one source.
func Tee[T any](ctx context.Context, src *chanio.Source[T], n int) []*chanio.Source[T] {
	atLeast("n", n, 1)
	return TeeWith(ctx, src, make([]*Queue[T], n)...)
}

// TeeWith is [Tee] with a branch for each of the queues; nil is the default. A branch that Fail or Disconnect ends is
// as good as closed.
func TeeWith[T any](ctx context.Context, src *chanio.Source[T], queues ...*Queue[T]) []*chanio.Source[T] {
	atLeast("the number of branches", len(queues), 1)
	t := &tee[T]{}
	for _, d := range queues {
		t.branches = append(t.branches, newQueue(d, Block))
	}
	t.up = src.Claim("pipeline.Tee")
	t.left.Store(int64(len(queues)))
	go t.run(ctx)
	outs := make([]*chanio.Source[T], len(queues))
	for i, q := range t.branches {
		outs[i] = q.source("pipeline.Tee", t.closed, func() []chanio.Description {
			return []chanio.Description{t.up.Describe()}
		})
	}
	return outs
}

type tee[T any] struct {
	up       chanio.Upstream[T]
	branches []*queue[T]
	left     atomic.Int64 // branches whose receiver has not closed them
}

// closed is called once for every branch whose receiver closes it, or has met its end.
func (t *tee[T]) closed() error {
	if t.left.Add(-1) > 0 {
		return nil
	}
	return t.up.Close()
}

// errNoBranch is why the goroutine ends when no branch takes anything any more.
var errNoBranch = errors.New("pipeline: Tee: no branch left")

func (t *tee[T]) run(ctx context.Context) {
	open := append([]*queue[T](nil), t.branches...)
	full := make([]*queue[T], 0, len(open))
	done := ctx.Done()
	pump(ctx, t.up, func(v T) (err error) {
		if hasEnded(done) {
			return context.Cause(ctx)
		}
		open, full, err = give(ctx, v, open, full[:0])
		return err
	}, func(err error) {
		for _, q := range t.branches {
			q.end(err, false)
		}
	})
}

// give puts v into every branch: first where there is room, then where that takes time. It returns the branches that
// still take values. full is used for those that wait.
func give[T any](ctx context.Context, v T, open, full []*queue[T]) ([]*queue[T], []*queue[T], error) {
	lost := false
	kept := open[:0]
	for _, q := range open {
		o := q.tryPut(v)
		if o.over {
			continue
		}
		if o.full {
			full = append(full, q)
		}
		kept = append(kept, q)
		lost = lost || o.lost
	}
	if len(kept) == 0 {
		return kept, full, errNoBranch
	}
	if lost {
		yield()
	}
	for _, q := range full { // one that ends meanwhile is left out from the next value on
		if _, err := q.put(ctx, v); err != nil && isEndOf(ctx, err) {
			return kept, full, err
		}
	}
	return kept, full, nil
}
