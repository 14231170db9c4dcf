package queue

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Next returns the next value to the receiver, as the hook of a Source does.
func (q *Queue[T]) Next(ctx context.Context) (T, error) {
	for done := ctx.Done(); ; {
		if Ended(done) {
			return *new(T), chanio.Cause(ctx)
		}
		if v, ok, err := q.TryNext(); ok || err != nil {
			return v, err
		}
		q.wait(done)
	}
}

// Ended is ctx.Err() != nil at a lower price, for the Done channel of ctx.
func Ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// TryNext returns the next value if there is one, or why none will come.
func (q *Queue[T]) TryNext() (v T, ok bool, err error) {
	q.mu.Lock()
	if q.backlog.entries.Len() == 0 {
		if q.over {
			err = q.err
		}
		q.mu.Unlock()
		return v, false, err
	}
	e := q.backlog.shift()
	q.unlock()
	if e.w < 0 {
		return q.cfg.Mark(uint64(-e.w)), true, nil
	}
	return e.v, true, nil
}

// AtHand appends values that have been queued, up to the room in dst or the next mark, which is made by the user.
func (q *Queue[T]) AtHand(dst []T) []T {
	q.mu.Lock()
	defer q.unlock()
	for len(dst) < cap(dst) && q.backlog.entries.Len() > 0 && q.backlog.entries.At(0).w > 0 {
		dst = append(dst, q.backlog.shift().v)
	}
	return dst
}

// wait returns when a sender has queued something, the queue has ended, or done is closed. It may also return
// spuriously.
func (q *Queue[T]) wait(done <-chan struct{}) {
	q.mu.Lock()
	if q.ready == nil {
		q.ready = make(chan struct{}, 1)
	}
	q.waiting = !q.hasNewsLocked()
	waits, ready := q.waiting, q.ready
	q.mu.Unlock()
	if waits {
		select {
		case <-ready:
		case <-done:
		}
	}
}
