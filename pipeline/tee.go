package pipeline

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// Tee passes every value of src to n branches. Each branch has a queue of DefaultQueue values with policy Block, so the
// slowest holds back the others; [TeeWith] configures the queues. The branches share the values, so receivers must not
// modify what they point to. Values that must be closed are the receivers' responsibility once a branch has accepted
// them.
//
// One goroutine receives the values. It ends when src ends, when ctx ends, or when the last branch is closed, and
// closes src in each case. A branch that is closed earlier gets no more values. The end or failure of src, the cause of
// ctx, and a panic in a stage above as a [*chanio.PanicError] reach every branch after the values in its queue.
func Tee[T any](ctx context.Context, src *chanio.Source[T], n int) []*chanio.Source[T] {
	atLeast("Tee", "n", n, 1)
	return TeeWith(ctx, src, make([]*Queue[T], n)...)
}

// TeeWith is [Tee] with one branch for each queue; nil is the default. A branch that Fail or Disconnect ends counts as
// closed.
func TeeWith[T any](ctx context.Context, src *chanio.Source[T], queues ...*Queue[T]) []*chanio.Source[T] {
	atLeast("TeeWith", "the number of queues", len(queues), 1)
	t := &tee[T]{}
	for _, d := range queues {
		t.branches = append(t.branches, newQueue("TeeWith", d, nil))
	}
	t.up = claim(ctx, src, "Tee")
	t.left.Store(int64(len(queues)))
	t.open = slices.Clone(t.branches)
	go pump(ctx, t.up, t.room, func(vs []T) (int, error) { return t.give(ctx, vs) }, t.end)
	outs := make([]*chanio.Source[T], len(queues))
	for i, q := range t.branches {
		outs[i] = chanio.NewSource(receiving(q, "Tee", t.closed, only(t.up)))
	}
	return outs
}

type tee[T any] struct {
	up       chanio.Upstream[T]
	branches []*queue.Queue[T]
	left     atomic.Int64 // number of branches not closed by their receiver

	// Owned by the goroutine.
	open []*queue.Queue[T] // branches that still take values
	full []*queue.Queue[T] // those of open that the current value waits for
}

// closed is called once for every branch that its receiver closes or that has failed.
func (t *tee[T]) closed() error {
	if t.left.Add(-1) > 0 {
		return nil
	}
	return t.up.Close()
}

func (t *tee[T]) end(err error) {
	for _, q := range t.branches {
		q.End(err)
	}
}

// room returns how many values all branches take without a wait.
func (t *tee[T]) room() int {
	n := math.MaxInt
	for _, q := range t.open {
		n = min(n, q.Room())
	}
	return n
}

// errNoBranch is the reason why the goroutine ends when no branch takes values any more.
var errNoBranch = errors.New("pipeline: Tee: no branch left")

// give puts values into every branch, one after the other. A value that no branch accepted is given back to its owner;
// a value that some branch accepted is not.
func (t *tee[T]) give(ctx context.Context, vs []T) (n int, err error) {
	for _, v := range vs {
		accepted, err := t.giveOne(ctx, v)
		if err == nil && !accepted {
			t.up.Drop(v)
		}
		if err == nil || accepted {
			n++
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// giveOne puts v into every branch: first into those with room, then into the others, for which it waits. It reports
// whether a branch accepted v.
func (t *tee[T]) giveOne(ctx context.Context, v T) (accepted bool, err error) {
	t.full = t.full[:0]
	lost := false
	t.open = slices.DeleteFunc(t.open, func(q *queue.Queue[T]) bool {
		o := q.TryPut(v)
		if o.Full {
			t.full = append(t.full, q)
		}
		lost, accepted = lost || o.Lost, accepted || o.OK
		return o.Over
	})
	if len(t.open) == 0 {
		return false, errNoBranch
	}
	if lost {
		queue.Yield()
	}
	for _, q := range t.full { // a branch that ends meanwhile is skipped from the next value on
		ok, err := q.Put(ctx, v)
		if accepted = accepted || ok; err != nil && ctx.Err() != nil {
			return accepted, chanio.Cause(ctx)
		}
	}
	return accepted, nil
}
