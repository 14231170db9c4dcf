package pipeline

import "context"

// receiver is what only the receiver of a queue uses. There is none before the first value is wanted, nor after the
// queue was closed, so that what it fetched is not kept.
type receiver[T any] struct {
	out    []T
	outW   []int
	at     int    // of the next in out
	outSeq uint64 // of out[at]
	marks  []gap
	freed  int // weight taken from out and not yet from held
	onWait func()
}

// receiving returns the receiver, to the receiver.
func (q *queue[T]) receiving() *receiver[T] {
	r := q.receiver.Load()
	if r == nil {
		r = &receiver[T]{}
		q.receiver.Store(r)
	}
	return r
}

// next returns the next value to the receiver.
func (q *queue[T]) next(ctx context.Context) (v T, err error) {
	r := q.receiving()
	for {
		if len(r.marks) > 0 && (r.at == len(r.out) || r.marks[0].before <= r.outSeq) {
			lost := r.marks[0].lost
			r.marks = r.marks[1:]
			return q.cfg.Mark(lost), nil
		}
		if r.at < len(r.out) {
			return q.pop(r), nil
		}
		if err := q.fetch(ctx, r); err != nil {
			return v, err
		}
	}
}

// pop returns the next value of out.
func (q *queue[T]) pop(r *receiver[T]) T {
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
func (q *queue[T]) release(r *receiver[T]) {
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
		q.wakeSender(true)
		q.mu.Unlock()
	}
}

// fetch waits until there is something and takes it into out.
func (q *queue[T]) fetch(ctx context.Context, r *receiver[T]) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.n > 0 || q.hasGaps() {
			q.takeOut(r)
			q.wakeSender(true)
			return nil
		}
		if q.over {
			return q.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		q.await(ctx, r.onWait)
	}
}

// await waits, without the lock, for a sender.
func (q *queue[T]) await(ctx context.Context, onWait func()) {
	if q.ready == nil {
		q.ready = make(chan struct{}, 1)
	}
	q.waiting = true
	q.mu.Unlock()
	if onWait != nil {
		onWait()
	}
	if done := ctx.Done(); done == q.until {
		<-q.ready // the end of ctx comes this way too
	} else {
		select {
		case <-q.ready:
		case <-done:
		}
	}
	q.mu.Lock()
	q.waiting = false
}

// takeOut moves what ring holds to out, and what it does not hold to marks.
func (q *queue[T]) takeOut(r *receiver[T]) {
	k := q.portion()
	r.out, r.outW, r.at, r.outSeq = r.out[:0], r.outW[:0], 0, q.seq
	held := 0
	for i := range k {
		v, w := q.shift()
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
		q.takeMarks(r, k == 0 || q.n == 0)
	}
	q.passed += uint64(k)
	if k > 0 {
		q.hops++
	}
}

// portion is how many values the receiver takes at a time. Of a queue that drops its oldest that is only a part,
// because what it has taken is not dropped any more.
func (q *queue[T]) portion() int {
	switch {
	case q.hasGaps() && q.rare.gaps[0].before <= q.seq:
		return 0 // first the mark; the values behind it have their room until they are wanted
	case q.undelivered != nil:
		return min(q.n, 1) // what is in out when the receiver closes cannot be given up
	case q.cfg.Policy != DropOldest && q.cfg.Policy != Latest:
		return q.n
	case q.cfg.Metric != nil:
		return min(q.n, 1)
	}
	return min(q.n, max(1, q.cfg.Size/4))
}

// takeMarks takes the gaps in front of what has been taken out, and, if asked to, those behind it.
func (q *queue[T]) takeMarks(r *receiver[T], behind bool) {
	gaps, taken := q.rare.gaps, 0
	for taken < len(gaps) && (gaps[taken].before < q.seq || gaps[taken].before == q.seq && behind) {
		taken++
	}
	r.marks = append(r.marks[:0], gaps[:taken]...)
	q.rare.gaps = append(gaps[:0], gaps[taken:]...)
}
