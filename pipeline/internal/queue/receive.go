package queue

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// receiver is what only the receiver of a queue uses. There is none before the first value is wanted, nor after Close, so
// that what it fetched is not retained.
type receiver[T any] struct {
	out   []entry[T]
	at    int // of the next in out
	freed int // weight taken from out and not yet from held
}

// receiving returns the receiver, to the receiver.
func (q *Queue[T]) receiving() *receiver[T] {
	r := q.receiver.Load()
	if r == nil {
		r = &receiver[T]{}
		q.receiver.Store(r)
	}
	return r
}

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
	r := q.receiving()
	if r.at == len(r.out) {
		if fetched, err := q.fetch(r); !fetched {
			return v, false, err
		}
	}
	e := q.pop(r)
	if e.w < 0 {
		return q.cfg.Mark(uint64(-e.w)), true, nil
	}
	return e.v, true, nil
}

// AtHand appends values that have been queued, up to the room in dst or the next mark, which is made by the user.
func (q *Queue[T]) AtHand(dst []T) []T {
	r := q.receiving()
	for len(dst) < cap(dst) {
		if r.at == len(r.out) {
			if fetched, _ := q.fetch(r); !fetched {
				break
			}
		}
		if r.out[r.at].w < 0 {
			break
		}
		dst = append(dst, q.pop(r).v)
	}
	return dst
}

// pop returns what is next in out. All but the first of that is held; what is popped is taken off held, not each at once,
// because senders look there.
func (q *Queue[T]) pop(r *receiver[T]) entry[T] {
	e := r.out[r.at]
	r.out[r.at] = entry[T]{}
	if r.at++; r.at == 1 {
		return e
	}
	r.freed += max(e.w, 0)
	if left := len(r.out) - r.at; left > 0 && left%max(1, len(r.out)/4) != 0 {
		return e
	}
	q.held.Add(-int64(r.freed))
	r.freed = 0
	if q.starved.Load() {
		q.mu.Lock()
		q.unlock()
	}
	return e
}

// fetch takes what there is into out, and reports whether there was something; err is why nothing will come.
func (q *Queue[T]) fetch(r *receiver[T]) (fetched bool, err error) {
	q.mu.Lock()
	defer q.unlock()
	n := q.portionLocked()
	if n == 0 {
		if q.over {
			err = q.err
		}
		return false, err
	}
	r.out, r.at = append(r.out[:0], q.backlog.shift()), 0
	held := 0
	for range n - 1 {
		e := q.backlog.shift()
		r.out = append(r.out, e)
		held += max(e.w, 0)
	}
	q.held.Store(int64(held))
	return true, nil
}

// portionLocked is how much the receiver takes at a time. Of a queue that drops its oldest that is only a part, because
// what it has taken is not dropped any more.
func (q *Queue[T]) portionLocked() int {
	n := q.backlog.entries.Len()
	drops := q.cfg.Policy == DropOldest || q.cfg.Policy == Latest
	switch {
	case q.drop != nil: // Close cannot drop what is in out
		return min(n, 1)
	case drops && q.cfg.Metric != nil:
		return min(n, 1)
	case drops:
		return min(n, max(1, q.cfg.Size/4))
	}
	return n
}

// wait returns when a sender has queued something, the queue has ended, or done is closed.
func (q *Queue[T]) wait(done <-chan struct{}) {
	q.mu.Lock()
	if q.hasNewsLocked() {
		q.mu.Unlock()
		return
	}
	if q.ready == nil {
		q.ready = make(chan struct{}, 1)
	}
	q.waiting = true
	ready := q.ready
	q.mu.Unlock()
	select {
	case <-ready:
	case <-done:
	}
	q.mu.Lock()
	q.waiting = false
	q.mu.Unlock()
}
