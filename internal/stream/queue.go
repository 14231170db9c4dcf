package stream

import (
	"sync/atomic"

	"github.com/weir-go/weir/internal/coalesce"
	"github.com/weir-go/weir/internal/pool"
)

// scratchSize is the capacity of the scratch that Begin lends.
const scratchSize = 32 << 10

type scratch [scratchSize]byte

// scratches holds scratch that is not in use.
var scratches = pool.Pool[scratch]{New: func() *scratch { return new(scratch) }}

// queue holds what a Writer has accepted and not yet written, in the scratch that it lends. Any goroutine may call
// begin and release; everything else needs the lock of the Writer.
type queue struct {
	rule     coalesce.Rule // decides when buf is held back
	buf      []byte
	accepted int64                   // bytes accepted so far
	held     atomic.Bool             // buf is held back
	spare    atomic.Pointer[scratch] // for begin, while something is held back
}

// begin lends scratch.
func (q *queue) begin() []byte {
	if q.spare.Load() != nil {
		if a := q.spare.Swap(nil); a != nil {
			return a[:0]
		}
	}
	return scratches.Get()[:0]
}

// release takes back scratch that begin lent. While something is held back, it is kept for the next begin.
func (q *queue) release(p []byte) {
	if cap(p) != scratchSize {
		return // grown, or not lent by begin
	}
	a := (*scratch)(p[:scratchSize])
	if q.held.Load() && q.spare.CompareAndSwap(nil, a) {
		return
	}
	scratches.Put(a)
}

// settle returns the spare memory when nothing is held back any more.
func (q *queue) settle() {
	if q.spare.Load() == nil {
		return
	}
	if a := q.spare.Swap(nil); a != nil {
		scratches.Put(a)
	}
}

// holdsBack reports whether what has been accepted is held back, and marks that for the receiver. A receiver that is
// about to wait may have checked before the mark was set, and would release nothing; so the rule is asked again.
func (q *queue) holdsBack() bool {
	if !q.rule.HoldsLocked() {
		return false
	}
	if q.held.Load() {
		return true
	}
	q.held.Store(true)
	return q.rule.HoldsLocked()
}

// join is accept if values are held back, their delay runs, and these are held back too.
func (q *queue) join(scratch, body []byte) bool {
	n := len(scratch) + len(body)
	if len(q.buf) == 0 || len(q.buf)+n >= holdSize || !q.held.Load() || !q.rule.DelaysLocked() {
		return false
	}
	q.accepted += int64(n)
	if cap(scratch) > 0 {
		q.buf = append(q.buf, scratch...)
		q.release(scratch)
	}
	q.buf = append(q.buf, body...)
	return true
}

// accept appends scratch, which it takes over, and a copy of body.
func (q *queue) accept(scratch, body []byte) {
	q.accepted += int64(len(scratch) + len(body))
	switch {
	case len(scratch)+len(body) == 0:
		q.release(scratch) // an idle connection holds no buffer
	case len(scratch) == 0:
		q.release(scratch)
		if q.buf == nil {
			q.buf = q.begin()
		}
	case len(q.buf) == 0:
		q.buf = scratch
	default:
		q.buf = append(q.buf, scratch...)
		q.release(scratch)
	}
	if len(body) > 0 {
		q.buf = append(q.buf, body...)
	}
}

// take removes the buffer and returns it. The caller releases it after writing.
func (q *queue) take() []byte {
	p := q.buf
	q.buf = nil
	q.rule.DisarmLocked()
	if q.held.Load() {
		q.held.Store(false)
	}
	return p
}

// news wakes goroutines that wait for a change. The lock of its owner must be held.
type news struct{ moved chan struct{} }

// next returns a channel that is closed by the next tell.
func (n *news) next() <-chan struct{} {
	if n.moved == nil {
		n.moved = make(chan struct{})
	}
	return n.moved
}

func (n *news) tell() {
	if n.moved != nil {
		close(n.moved)
		n.moved = nil
	}
}
