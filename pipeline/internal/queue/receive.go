package queue

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// receiver is what only the receiver of a queue uses. There is none before the first value is wanted, nor after Close, so
// that what it fetched is not retained.
type receiver[T any] struct {
	out    []T
	outW   []int
	at     int    // of the next in out
	outSeq uint64 // of out[at]
	marks  []gap
	freed  int // weight taken from out and not yet from held
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
	v, _, err := q.Pull(ctx)
	return v, err
}

// Pull is Next, or with a nil ctx TryNext.
func (q *Queue[T]) Pull(ctx context.Context) (v T, ok bool, err error) {
	if ctx == nil {
		return q.TryNext()
	}
	for done := ctx.Done(); ; {
		if Ended(done) {
			return v, false, chanio.Cause(ctx)
		}
		if v, ok, err = q.TryNext(); ok || err != nil {
			return v, ok, err
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
	for {
		if q.atMark(r) {
			lost := r.marks[0].lost
			r.marks = r.marks[1:]
			return q.cfg.Mark(lost), true, nil
		}
		if r.at < len(r.out) {
			return q.pop(r), true, nil
		}
		if fetched, err := q.fetch(r); !fetched {
			return v, false, err
		}
	}
}

// AtHand appends values that have been queued, up to the room in dst or the next mark.
func (q *Queue[T]) AtHand(dst []T) []T {
	r := q.receiving()
	for len(dst) < cap(dst) && !q.atMark(r) {
		if r.at < len(r.out) {
			dst = append(dst, q.pop(r))
			continue
		}
		if fetched, _ := q.fetch(r); !fetched {
			break
		}
	}
	return dst
}

// atMark reports whether a mark comes next.
func (q *Queue[T]) atMark(r *receiver[T]) bool {
	return len(r.marks) > 0 && (r.at == len(r.out) || r.marks[0].before <= r.outSeq)
}

// pop returns the next value of out.
func (q *Queue[T]) pop(r *receiver[T]) T {
	var none T
	v := r.out[r.at]
	r.out[r.at] = none
	if r.at > 0 {
		q.release(r)
	}
	r.at++
	r.outSeq++
	return v
}

// release takes a value that was returned off what is held: not each at once, because senders look at held.
func (q *Queue[T]) release(r *receiver[T]) {
	if q.cfg.Metric == nil {
		r.freed++
	} else {
		r.freed += r.outW[r.at]
	}
	if left := len(r.out) - r.at - 1; left > 0 && left%max(1, len(r.out)/4) != 0 {
		return
	}
	q.held.Add(-int64(r.freed))
	r.freed = 0
	if q.starved.Load() {
		q.mu.Lock()
		q.wakeSenderLocked()
		q.mu.Unlock()
	}
}

// fetch takes what there is into out and marks, and reports whether there was something; err is why nothing will come.
func (q *Queue[T]) fetch(r *receiver[T]) (fetched bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.values.Len() == 0 && !q.hasGaps() {
		if q.over {
			err = q.err
		}
		return false, err
	}
	q.takeOutLocked(r)
	q.wakeSenderLocked()
	return true, nil
}

// wait returns when a sender has queued something, the queue has ended, or done is closed.
func (q *Queue[T]) wait(done <-chan struct{}) {
	q.mu.Lock()
	if q.values.Len() > 0 || q.hasGaps() || q.over {
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

// takeOutLocked moves values to out, and their gaps to marks.
func (q *Queue[T]) takeOutLocked(r *receiver[T]) {
	k := q.portionLocked()
	r.out, r.outW, r.at, r.outSeq = r.out[:0], r.outW[:0], 0, q.seq
	held := 0
	for i := range k {
		v, w := q.shiftLocked()
		r.out = append(r.out, v)
		if q.cfg.Metric != nil {
			r.outW = append(r.outW, w)
		}
		if i > 0 {
			held += w
		}
	}
	q.held.Store(int64(held))
	if q.hasGaps() {
		q.takeMarksLocked(r, k == 0 || q.values.Len() == 0)
	}
}

// portionLocked is how many values the receiver takes at a time. Of a queue that drops its oldest that is only a part,
// because what it has taken is not dropped any more.
func (q *Queue[T]) portionLocked() int {
	n := q.values.Len()
	switch {
	case q.hasGaps() && q.rare.gaps[0].before <= q.seq:
		return 0 // first the mark; the values behind it keep their room until they are wanted
	case q.drop != nil:
		return min(n, 1) // Close cannot drop what is in out
	case q.cfg.Policy != DropOldest && q.cfg.Policy != Latest:
		return n
	case q.cfg.Metric != nil:
		return min(n, 1)
	}
	return min(n, max(1, q.cfg.Size/4))
}

// takeMarksLocked takes the gaps in front of what has been taken out, and, if asked to, those behind it.
func (q *Queue[T]) takeMarksLocked(r *receiver[T], behind bool) {
	gaps, taken := q.rare.gaps, 0
	for taken < len(gaps) && (gaps[taken].before < q.seq || gaps[taken].before == q.seq && behind) {
		taken++
	}
	r.marks = append(r.marks[:0], gaps[:taken]...)
	q.rare.gaps = append(gaps[:0], gaps[taken:]...)
}
