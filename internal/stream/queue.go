package stream

import (
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/internal/coalesce"
)

// scratchSize is the capacity of what Begin lends.
const scratchSize = 32 << 10

type scratch [scratchSize]byte

// scratches are those that nobody uses.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

// queue is what a Writer has accepted and not yet written, in scratch that it lends. begin and release are for any
// goroutine, all else wants the lock of the Writer.
type queue struct {
	rule     coalesce.Rule // of when buf is held back
	buf      []byte
	accepted int64                   // bytes, ever
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
	return scratches.Get().(*scratch)[:0]
}

// release takes back what begin lent. It is kept for the next begin while something is held back.
func (q *queue) release(p []byte) {
	if cap(p) != scratchSize {
		return // grown, or not ours
	}
	a := (*scratch)(p[:scratchSize])
	if q.held.Load() && q.spare.CompareAndSwap(nil, a) {
		return
	}
	scratches.Put(a)
}

// settle returns the memory when nothing is held back any more.
func (q *queue) settle() {
	if q.spare.Load() == nil {
		return
	}
	if a := q.spare.Swap(nil); a != nil {
		scratches.Put(a)
	}
}

// accept takes over scratch, and a copy of body.
func (q *queue) accept(scratch, body []byte) {
	q.accepted += int64(len(scratch) + len(body))
	switch {
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

// take takes the buffer, which is to be released when it has been written.
func (q *queue) take() []byte {
	p := q.buf
	q.buf = nil
	q.rule.DisarmLocked()
	if q.held.Load() {
		q.held.Store(false)
	}
	return p
}

// news tells those who wait that something has changed. It wants the lock of what it belongs to.
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
