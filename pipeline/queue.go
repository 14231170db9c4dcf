package pipeline

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// errReceiverGone is why a queue takes nothing more when its receiver closed it.
var errReceiverGone = net.ErrClosed

// queue is a bounded queue with any number of senders and one receiver. The receiver fetches all that is at hand in one
// go, so that under load a lock and a wake-up serve many values, and a single value is there at once. Neither side
// holds the lock while it waits. An idle queue has no buffers.
type queue[T any] struct {
	cfg         *Queue[T]
	undelivered func(T)         // takes over what the receiver will not have; nil: nobody does
	until       <-chan struct{} // of the ctx whose end ends the queue; nil: there is none

	held     atomic.Int64 // weight of what the receiver has beyond the value that is returned next
	starved  atomic.Bool  // a sender waits for room
	receiver atomic.Pointer[receiver[T]]

	mu      sync.Mutex
	ring    []T // of a power of two
	head    int // of the first value in ring
	n       int // of values in ring
	weight  int // of these
	seq     uint64
	rare    *rare[T] // nil: there was none of it
	err     error    // comes after the values
	over    bool     // nothing more is accepted
	waiting bool     // the receiver waits
	blocked int      // senders that wait
	ready   chan struct{}
	room    chan struct{}
	passed  uint64
	dropped uint64
	hops    uint64
}

// rare is what most queues never have.
type rare[T any] struct {
	weights []int  // of the values in ring, if there is a Metric
	gaps    []gap  // in order; those of ring
	tell    func() // what unlock is to call
	left    []T    // what unlock is to give up
}

// gap is a number of values lost in front of the one with a sequence number.
type gap struct{ before, lost uint64 }

// put queues v as the policy says; it waits for room under Block. It reports whether v was accepted. The error is why
// nothing more is, or ctx's cause.
func (q *queue[T]) put(ctx context.Context, v T) (bool, error) {
	w := q.weigh(v)
	q.mu.Lock()
	for {
		dropped := q.dropped
		ok, full, err := q.offer(v, w)
		if !full {
			lost := q.dropped > dropped
			q.wakeSender(ok)
			q.unlock()
			if lost {
				yield()
			}
			if !ok {
				q.giveUp(v)
			}
			return ok, err
		}
		if !q.starved.Swap(true) && q.fits(w) {
			continue // the receiver made room, and may not have seen starved
		}
		if err := q.waitForRoom(ctx); err != nil {
			q.wakeSender(true)
			q.mu.Unlock()
			q.giveUp(v)
			return false, err
		}
	}
}

// outcome is what became of a value.
type outcome struct {
	ok   bool // it was accepted
	full bool // it was not: its sender has to wait
	lost bool // it, or another for it, was dropped
	over bool // nothing more is accepted
}

// tryPut is put for a sender that does not wait. If something was lost, the sender is to yield when it is done.
func (q *queue[T]) tryPut(v T) (o outcome) {
	w := q.weigh(v)
	q.mu.Lock()
	dropped := q.dropped
	var err error
	o.ok, o.full, err = q.offer(v, w)
	o.over = err != nil
	o.lost = q.dropped > dropped
	q.unlock()
	return o
}

// yield lets other goroutines run: a sender whose values are dropped never waits, and can keep its receivers from it
// for long.
func yield() { runtime.Gosched() }

// waitForRoom waits, without the lock, until there may be room. It returns an error if ctx ended.
func (q *queue[T]) waitForRoom(ctx context.Context) error {
	room := q.block()
	defer q.unblock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// awaitRoom is waitForRoom for a sender whose ctx ends the queue.
func (q *queue[T]) awaitRoom() {
	room := q.block()
	defer q.unblock()
	<-room
}

// block begins the wait of a sender, and releases mu; unblock takes it again.
func (q *queue[T]) block() (room <-chan struct{}) {
	if q.room == nil {
		q.room = make(chan struct{}, 1)
	}
	q.blocked++
	q.mu.Unlock()
	return q.room
}

func (q *queue[T]) unblock() {
	q.mu.Lock()
	if q.blocked--; q.blocked == 0 {
		q.starved.Store(false)
	}
}

// wakeSender lets one more sender look for room, if there is cause to. A sender that got room calls it for the next.
// The caller holds mu.
func (q *queue[T]) wakeSender(cause bool) {
	if cause && q.blocked > 0 {
		signal(q.room)
	}
}

// unlock releases mu, wakes the receiver if there is something for it, and tells of an overflow that ended the stream.
func (q *queue[T]) unlock() {
	q.wakeReceiver()
	if q.rare == nil {
		q.mu.Unlock()
		return
	}
	tell, left := q.rare.tell, q.rare.left
	q.rare.tell, q.rare.left = nil, nil
	q.mu.Unlock()
	if tell != nil {
		tell()
	}
	q.giveUp(left...)
}

// giveUp passes values that the receiver will not have to whoever takes them over.
func (q *queue[T]) giveUp(values ...T) {
	if q.undelivered == nil {
		return
	}
	for _, v := range values {
		q.undelivered(v)
	}
}

func (q *queue[T]) wakeReceiver() {
	if q.waiting && (q.n > 0 || q.hasGaps() || q.over) {
		q.waiting = false
		signal(q.ready)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// offer queues v if there is room, otherwise does as the policy says; full tells a sender to wait. The caller holds mu.
func (q *queue[T]) offer(v T, w int) (ok, full bool, err error) {
	if q.over {
		return false, false, q.err
	}
	if q.fits(w) {
		q.push(v, w)
		return true, false, nil
	}
	switch q.cfg.Policy {
	case DropOldest, Latest:
		for q.n > 0 && !q.fits(w) {
			q.dropFirst()
		}
		q.push(v, w)
		return true, false, nil
	case DropNewest:
		q.lose(q.seq + uint64(q.n))
		return false, false, nil
	case Fail, Disconnect:
		q.overflow()
		return false, false, ErrOverflow
	}
	return false, true, nil
}

// overflow ends the stream because there was no room for a value.
func (q *queue[T]) overflow() {
	q.over, q.err = true, ErrOverflow
	if q.cfg.OnOverflow != nil {
		q.rarely().tell = q.cfg.OnOverflow
	}
	q.dropped++
	if q.cfg.Policy == Disconnect {
		q.dropped += uint64(q.n)
		q.discard()
	}
}

func (q *queue[T]) weigh(v T) int {
	if q.cfg.Metric == nil {
		return 1
	}
	return max(1, q.cfg.Metric(v))
}

func (q *queue[T]) fits(w int) bool {
	total := q.weight + int(q.held.Load())
	return total+w <= q.cfg.Size || total == 0
}

func (q *queue[T]) push(v T, w int) {
	if q.n == len(q.ring) {
		q.grow()
	}
	at := (q.head + q.n) & (len(q.ring) - 1)
	q.ring[at] = v
	if q.cfg.Metric != nil {
		q.rare.weights[at] = w
	}
	q.n++
	q.weight += w
}

func (q *queue[T]) grow() {
	q.ring = unrolled(q.ring, q.head)
	if q.cfg.Metric != nil {
		q.rarely().weights = unrolled(q.rare.weights, q.head)
	}
	q.head = 0
}

// unrolled returns a ring of twice the size, whose first value is the one at head.
func unrolled[T any](ring []T, head int) []T {
	twice := make([]T, max(1, 2*len(ring)))
	copy(twice[copy(twice, ring[head:]):], ring[:head])
	return twice
}

// shift takes the first value out of ring.
func (q *queue[T]) shift() (v T, w int) {
	var none T
	v, q.ring[q.head] = q.ring[q.head], none
	if w = 1; q.cfg.Metric != nil {
		w = q.rare.weights[q.head]
	}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	q.weight -= w
	q.seq++
	return v, w
}

// dropFirst drops the first value, and puts the gap in front of the second.
func (q *queue[T]) dropFirst() {
	v, _ := q.shift()
	if q.undelivered != nil {
		q.leave(v)
	}
	if q.hasGaps() {
		q.rare.gaps[0].before = q.seq
	}
	q.lose(q.seq)
}

// lose counts a value lost in front of the one with the given number.
func (q *queue[T]) lose(before uint64) {
	q.dropped++
	if q.cfg.Mark == nil {
		return
	}
	r := q.rarely()
	if last := len(r.gaps) - 1; last >= 0 && r.gaps[last].before == before {
		r.gaps[last].lost++
		return
	}
	r.gaps = append(r.gaps, gap{before, 1})
}

// rarely returns what is rare, to be added to.
func (q *queue[T]) rarely() *rare[T] {
	if q.rare == nil {
		q.rare = &rare[T]{}
	}
	return q.rare
}

func (q *queue[T]) hasGaps() bool { return q.rare != nil && len(q.rare.gaps) > 0 }

// leave has unlock give up v.
func (q *queue[T]) leave(v T) {
	r := q.rarely()
	r.left = append(r.left, v)
}

// discard drops what ring holds.
func (q *queue[T]) discard() {
	for q.undelivered != nil && q.n > 0 {
		v, _ := q.shift()
		q.leave(v)
	}
	q.ring = nil
	if q.rare != nil {
		q.rare.weights, q.rare.gaps = nil, nil
	}
	q.head, q.n, q.weight = 0, 0, 0
}

// end accepts nothing more. The receiver is told err after what the queue holds, or, if that is to be discarded, now.
// The first end counts.
func (q *queue[T]) end(err error, discard bool) {
	q.mu.Lock()
	if !q.over {
		q.over, q.err = true, err
	}
	if discard {
		q.discard()
	}
	q.wakeSender(true)
	q.unlock()
}

// isOver reports whether nothing more is accepted.
func (q *queue[T]) isOver() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.over
}

// describe tells how q stands.
func (q *queue[T]) describe() chanio.Description {
	q.mu.Lock()
	defer q.mu.Unlock()
	d := chanio.Description{
		Name: q.cfg.Name, Capacity: q.cfg.Size, Queued: q.weight + int(q.held.Load()),
		Passed: q.passed, Dropped: q.dropped,
	}
	return d
}
