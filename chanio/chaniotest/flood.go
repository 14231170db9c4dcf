package chaniotest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
)

// marker is the number that ends a flood.
const marker = 1<<30 - 1

// flood sends 0, 1, 2 ... until Send blocks.
type flood[T any] struct {
	accepted atomic.Int64 // how many
	enough   atomic.Bool
	over     *call[error]
	stop     func()
	why      error
}

// flood returns when a Send of e blocks. If none ever does, the case is skipped; G8-acceptance-is-bounded tests that.
func (r *run[T]) flood(e *end[T]) *flood[T] {
	f := r.floodBy(e.Out.Send)
	if !r.clogged(f) {
		r.Skipf("%d values were accepted although none was read: see G8-acceptance-is-bounded", f.accepted.Load())
	}
	return f
}

// floodBy starts a flood.
func (r *run[T]) floodBy(send func(context.Context, T) error) *flood[T] {
	ctx, cancel, why := r.cancellable()
	f := &flood[T]{stop: cancel, why: why}
	f.over = start(func() error {
		for i := 0; !f.enough.Load() && i < r.bound(); i++ {
			if err := send(ctx, r.s.make(i)); err != nil {
				return err
			}
			f.accepted.Add(1)
		}
		if !f.enough.Load() {
			return nil
		}
		return send(ctx, r.s.make(marker))
	})
	return f
}

// fill sends 0, 1, 2 ... by TrySend until there is no room, and returns how many. No call is left blocked.
func (r *run[T]) fill(e *end[T]) int {
	n, clogged := r.tryFill(e)
	if !clogged {
		r.Skipf("%d values were accepted although none was read: see G8-acceptance-is-bounded", n)
	}
	return n
}

func (r *run[T]) tryFill(e *end[T]) (n int, clogged bool) {
	for refused := false; n < r.bound(); {
		ok, err := e.Out.TrySend(r.s.make(n))
		require.NoError(r, err)
		switch {
		case ok:
			n++
			refused = false
		case refused:
			return n, true
		default:
			r.before.settle() // accepted values may leave and make room
			refused = true
		}
	}
	return n, false
}

// stuff fills e until there has been no room for d, because a kernel may make room late.
func (r *run[T]) stuff(e *end[T], d time.Duration) {
	for full := time.Now(); time.Since(full) < d; giveWay() {
		ok, err := e.Out.TrySend(r.s.make(0))
		require.NoError(r, err)
		if ok {
			full = time.Now()
		}
	}
}

func (r *run[T]) bound() int {
	if r.s.facts.Bound > 0 {
		return r.s.facts.Bound
	}
	return 1 << 16
}

// clogged returns true when the flood and everything else is blocked.
func (r *run[T]) clogged(f *flood[T]) bool {
	for {
		before := f.accepted.Load()
		if !f.over.parked() {
			return false
		}
		r.before.settle()
		if f.accepted.Load() == before && f.over.parked() {
			return true
		}
	}
}

// cancel cancels the blocked Send. It returns how many values were accepted, which is the number of the cancelled one.
func (f *flood[T]) cancel(r *run[T]) int {
	f.stop()
	require.ErrorIs(r, f.over.wait(r), f.why)
	return int(f.accepted.Load())
}

// finish makes the flood end with the marker as soon as the blocked Send returns.
func (f *flood[T]) finish() { f.enough.Store(true) }

// takeFlood returns the numbers that e receives before the marker.
func (e *end[T]) takeFlood(ctx context.Context) (got []int) {
	for {
		i, err := e.next(ctx)
		if err != nil || i == marker {
			return got
		}
		got = append(got, i)
	}
}
