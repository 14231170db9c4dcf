package pipeline

import "context"

// next returns the next value to the receiver.
func (q *queue[T]) next(ctx context.Context) (v T, err error) {
	for {
		if len(q.marks) > 0 && (q.at == len(q.out) || q.marks[0].before <= q.outSeq) {
			lost := q.marks[0].lost
			q.marks = q.marks[1:]
			return q.cfg.Mark(lost), nil
		}
		if q.at < len(q.out) {
			return q.pop(), nil
		}
		if err := q.fetch(ctx); err != nil {
			return v, err
		}
	}
}

// pop returns the next value of out.
func (q *queue[T]) pop() T {
	var none T
	v := q.out[q.at]
	q.out[q.at] = none
	if q.at > 0 {
		q.release()
	}
	q.at++
	q.outSeq++
	return v
}

// release takes a value that was returned off what is held: not each at once, because senders look at held.
func (q *queue[T]) release() {
	if q.cfg.Metric == nil {
		q.freed++
	} else {
		q.freed += q.outW[q.at]
	}
	if left := len(q.out) - q.at - 1; left > 0 && left%max(1, len(q.out)/4) != 0 {
		return
	}
	q.held.Add(-int64(q.freed))
	q.freed = 0
	if q.starved.Load() {
		q.mu.Lock()
		q.wakeSender(true)
		q.mu.Unlock()
	}
}

// fetch waits until there is something and takes it into out.
func (q *queue[T]) fetch(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.n > 0 || len(q.gaps) > 0 {
			q.takeOut()
			q.wakeSender(true)
			return nil
		}
		if q.over {
			return q.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		q.await(ctx)
	}
}

// await waits, without the lock, for a sender.
func (q *queue[T]) await(ctx context.Context) {
	if q.ready == nil {
		q.ready = make(chan struct{}, 1)
	}
	q.waiting = true
	q.mu.Unlock()
	if q.onWait != nil {
		q.onWait()
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

// takeOut moves what ring holds to out, and what it does not hold to marks. Of a queue that drops its oldest only a
// part is moved, because what is in out is not dropped any more.
func (q *queue[T]) takeOut() {
	k := q.n
	switch {
	case len(q.gaps) > 0 && q.gaps[0].before <= q.seq:
		k = 0 // first the mark; the values behind it have their room until they are wanted
	case q.undelivered != nil:
		k = min(k, 1) // what is in out when the receiver closes cannot be given up
	case q.cfg.Policy != DropOldest && q.cfg.Policy != Latest:
	case q.cfg.Metric != nil:
		k = min(k, 1)
	default:
		k = min(k, max(1, q.cfg.Size/4))
	}
	q.out, q.outW, q.at, q.outSeq = q.out[:0], q.outW[:0], 0, q.seq
	held := 0
	for i := range k {
		v, w := q.shift()
		q.out = append(q.out, v)
		if q.cfg.Metric != nil {
			q.outW = append(q.outW, w)
		}
		if i > 0 {
			held += w
		}
	}
	q.held.Store(int64(held))
	taken := 0
	for taken < len(q.gaps) && (q.gaps[taken].before < q.seq || q.gaps[taken].before == q.seq && (k == 0 || q.n == 0)) {
		taken++
	}
	q.marks = append(q.marks[:0], q.gaps[:taken]...)
	q.gaps = append(q.gaps[:0], q.gaps[taken:]...)
	q.passed += uint64(k)
	if k > 0 {
		q.hops++
	}
}
