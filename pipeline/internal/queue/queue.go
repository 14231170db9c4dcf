package queue

import (
	"context"
	"math"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// Queue is a bounded queue with any number of senders and one receiver. The receiver fetches all that is at hand in one
// go, so that under load a lock and a wake-up serve many values, and a single value crosses at once. Neither side holds
// the lock while it waits or calls a function of the user. An idle queue has no buffers.
type Queue[T any] struct {
	cfg  *Config[T]
	drop func(v T) // takes over values that the receiver will not get; nil if nobody does

	held     atomic.Int64 // weight of what the receiver has fetched, beyond the value that it returns next
	starved  atomic.Bool  // a sender waits for room
	receiver atomic.Pointer[receiver[T]]

	mu      sync.Mutex
	values  Ring[T]
	weight  int    // of values
	seq     uint64 // number of the first in values
	rare    *rare[T]
	err     error // comes after the values
	over    bool  // nothing more is accepted
	waiting bool  // the receiver waits
	blocked int   // senders that wait
	ready   chan struct{}
	room    chan struct{} // closed once the queue is over
	dropped uint64
}

// rare is what most queues never need.
type rare[T any] struct {
	weights  Ring[int] // of the values, if there is a Metric
	gaps     []gap     // in order; those of values
	overflow bool      // unlock is to call OnOverflow
	left     []T       // unlock is to pass these to drop
}

// gap is a number of values lost in front of the one with a sequence number.
type gap struct{ before, lost uint64 }

// New returns a queue with a complete Config. drop, if not nil, takes over values that the receiver will not get.
func New[T any](cfg *Config[T], drop func(T)) *Queue[T] { return &Queue[T]{cfg: cfg, drop: drop} }

// Put queues v as the policy says; under Block it waits for room. It reports whether v was accepted. The error is why
// nothing more is, or chanio.Cause of ctx; v then stays with the caller.
func (q *Queue[T]) Put(ctx context.Context, v T) (ok bool, err error) {
	w := q.weigh(v)
	q.mu.Lock()
	for {
		o := q.offerLocked(v, w)
		if !o.Full {
			q.wakeSenderLocked()
			q.unlock()
			if o.Lost {
				Yield()
			}
			if o.Over {
				return false, q.err
			}
			return o.OK, nil
		}
		if !q.starved.Swap(true) && q.fitsLocked(w) {
			continue // the receiver made room, and may not have seen starved
		}
		if err := q.waitForRoom(ctx); err != nil {
			q.wakeSenderLocked()
			q.mu.Unlock()
			return false, err
		}
	}
}

// PutAll is Put for several values. It returns how many were accepted or dropped; the others stay with the caller.
func (q *Queue[T]) PutAll(ctx context.Context, vs []T) (n int, err error) {
	for n < len(vs) {
		if n += q.putFitting(vs[n:]); n == len(vs) {
			break
		}
		if _, err := q.Put(ctx, vs[n]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// putFitting queues values for as long as there is room, and returns how many.
func (q *Queue[T]) putFitting(vs []T) (n int) {
	if q.cfg.Metric != nil || len(vs) == 1 {
		return 0
	}
	q.mu.Lock()
	for n < len(vs) && !q.over && q.fitsLocked(1) {
		q.pushLocked(vs[n], 1)
		n++
	}
	q.unlock()
	return n
}

// Room is how many values Put takes without a wait, as far as is known. Only senders make it less.
func (q *Queue[T]) Room() int {
	switch {
	case q.cfg.Policy != Block:
		return math.MaxInt
	case q.cfg.Metric != nil:
		return 1
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cfg.Size - q.weight - int(q.held.Load())
}

// Outcome is what became of a value.
type Outcome struct {
	OK   bool // it was accepted
	Full bool // it was not: its sender has to wait
	Lost bool // it, or another for it, was dropped
	Over bool // nothing more is accepted
}

// TryPut is Put for a sender that does not wait. If something was lost, the sender calls Yield when it is done.
func (q *Queue[T]) TryPut(v T) (o Outcome) {
	w := q.weigh(v)
	q.mu.Lock()
	o = q.offerLocked(v, w)
	q.unlock()
	return o
}

// Push queues v without regard to room, for a sender that counts by itself.
func (q *Queue[T]) Push(v T) {
	q.mu.Lock()
	q.pushLocked(v, 1)
	q.unlock()
}

// Yield lets other goroutines run: a sender whose values are dropped never waits, and can keep its receivers from running
// for long.
func Yield() { runtime.Gosched() }

// waitForRoom releases the lock until there may be room. It returns an error if ctx ended.
func (q *Queue[T]) waitForRoom(ctx context.Context) (err error) {
	if q.room == nil {
		q.room = make(chan struct{}, 1)
	}
	q.blocked++
	room := q.room
	q.mu.Unlock()
	select {
	case <-room:
	case <-ctx.Done():
		err = chanio.Cause(ctx)
	}
	q.mu.Lock()
	if q.blocked--; q.blocked == 0 {
		q.starved.Store(false)
	}
	return err
}

// wakeSenderLocked lets one sender look for room; one that got room, or gave up, calls it for the next. The end of the
// queue wakes all of them.
func (q *Queue[T]) wakeSenderLocked() {
	if q.blocked > 0 && !q.over {
		signal(q.room)
	}
}

// unlock wakes the receiver if there is something for it, releases the lock, and then makes the calls that wait for
// that.
func (q *Queue[T]) unlock() {
	if q.waiting && (q.values.Len() > 0 || q.hasGaps() || q.over) {
		q.waiting = false
		signal(q.ready)
	}
	if q.rare == nil {
		q.mu.Unlock()
		return
	}
	overflow, left := q.rare.overflow, q.rare.left
	q.rare.overflow, q.rare.left = false, nil
	q.mu.Unlock()
	for _, v := range left {
		defer q.drop(v) // all of them, also when one panics
	}
	if overflow {
		q.cfg.OnOverflow()
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// offerLocked queues v if there is room, otherwise does as the policy says.
func (q *Queue[T]) offerLocked(v T, w int) Outcome {
	if q.over {
		return Outcome{Over: true}
	}
	if q.fitsLocked(w) {
		q.pushLocked(v, w)
		return Outcome{OK: true}
	}
	switch q.cfg.Policy {
	case DropOldest, Latest:
		dropped := q.dropped
		for q.values.Len() > 0 && !q.fitsLocked(w) {
			q.dropFirstLocked()
		}
		q.pushLocked(v, w)
		return Outcome{OK: true, Lost: q.dropped > dropped}
	case DropNewest:
		q.loseLocked(q.seq + uint64(q.values.Len()))
		q.leaveLocked(v)
		return Outcome{Lost: true}
	case Fail, Disconnect:
		q.overflowLocked()
		return Outcome{Over: true, Lost: true}
	}
	return Outcome{Full: true}
}

// overflowLocked ends the stream because there was no room for a value.
func (q *Queue[T]) overflowLocked() {
	q.overLocked(ErrOverflow)
	if q.cfg.OnOverflow != nil {
		q.rarely().overflow = true
	}
	q.dropped++
	if q.cfg.Policy == Disconnect {
		q.dropped += uint64(q.values.Len())
		q.discardLocked()
	}
}

func (q *Queue[T]) weigh(v T) int {
	if q.cfg.Metric == nil {
		return 1
	}
	return max(1, q.cfg.Metric(v))
}

func (q *Queue[T]) fitsLocked(w int) bool {
	total := q.weight + int(q.held.Load())
	return w <= q.cfg.Size-total || total == 0
}

func (q *Queue[T]) pushLocked(v T, w int) {
	q.values.Push(v)
	if q.cfg.Metric != nil {
		q.rarely().weights.Push(w)
	}
	q.weight += w
}

// shiftLocked takes the first value.
func (q *Queue[T]) shiftLocked() (v T, w int) {
	v, w = q.values.Shift(), 1
	if q.cfg.Metric != nil {
		w = q.rare.weights.Shift()
	}
	q.weight -= w
	q.seq++
	return v, w
}

// dropFirstLocked drops the first value, and puts the gap in front of the second.
func (q *Queue[T]) dropFirstLocked() {
	v, _ := q.shiftLocked()
	q.leaveLocked(v)
	if q.hasGaps() {
		q.rare.gaps[0].before = q.seq
	}
	q.loseLocked(q.seq)
}

// loseLocked counts a value lost in front of the one with the given number.
func (q *Queue[T]) loseLocked(before uint64) {
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
func (q *Queue[T]) rarely() *rare[T] {
	if q.rare == nil {
		q.rare = &rare[T]{}
	}
	return q.rare
}

func (q *Queue[T]) hasGaps() bool { return q.rare != nil && len(q.rare.gaps) > 0 }

// leaveLocked has unlock pass values to drop.
func (q *Queue[T]) leaveLocked(vs ...T) {
	if q.drop != nil && len(vs) > 0 {
		q.rarely().left = append(q.rare.left, vs...)
	}
}

// discardLocked drops all values.
func (q *Queue[T]) discardLocked() {
	q.leaveLocked(q.values.TakeAll()...)
	if q.rare != nil {
		q.rare.weights, q.rare.gaps = Ring[int]{}, nil
	}
	q.weight = 0
}

// End accepts nothing more. The receiver is told err after what the queue holds. The first end counts.
func (q *Queue[T]) End(err error) {
	q.mu.Lock()
	q.overLocked(err)
	q.unlock()
}

func (q *Queue[T]) overLocked(err error) {
	if q.over {
		return
	}
	q.over, q.err = true, err
	if q.room == nil {
		q.room = make(chan struct{})
	}
	close(q.room)
}

// Close is called when the receiver wants no more: it drops what the queue holds and accepts nothing more.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.overLocked(net.ErrClosed)
	q.discardLocked()
	q.receiver.Store(nil)
	q.unlock()
}

// Over reports whether nothing more is accepted.
func (q *Queue[T]) Over() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.over
}

// Describe tells how q stands.
func (q *Queue[T]) Describe() chanio.Description {
	q.mu.Lock()
	defer q.mu.Unlock()
	return chanio.Description{
		Name: q.cfg.Name, Capacity: q.cfg.Size, Queued: q.weight + int(q.held.Load()), Dropped: q.dropped,
	}
}
