package queue

import (
	"context"
	"math"
	"net"
	"runtime"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/line"
)

// Queue is a bounded queue with any number of senders and one receiver. Neither side holds the lock while it waits or calls
// a function of the user. An idle queue has no buffers.
type Queue[T any] struct {
	cfg  *Config[T]
	drop func(v T) // called with values that the receiver will not get; may be nil

	mu         sync.Mutex
	backlog    backlog[T]
	err        error // returned after the values
	over       bool  // nothing more is accepted
	waiting    bool  // the receiver waits
	overflowed bool  // unlock must call OnOverflow
	blocked    int   // number of senders that wait for room
	ready      chan struct{}
	room       chan struct{} // closed once the queue is over

	// line is of senders, if values have different weights: a heavy one could wait for ever while light ones take its
	// room.
	line line.Line
}

// New returns a queue with a complete Config. drop, if not nil, takes over values that the receiver will not get.
func New[T any](cfg *Config[T], drop func(T)) *Queue[T] {
	return &Queue[T]{cfg: cfg, drop: drop, backlog: backlog[T]{marks: cfg.Mark != nil, keeps: drop != nil}}
}

// Put queues v as the policy says; under Block it waits for room. It reports whether v was accepted. The error is why
// nothing more is, or chanio.Cause of ctx; v then stays with the caller.
func (q *Queue[T]) Put(ctx context.Context, v T) (ok bool, err error) {
	o, err := q.put(ctx, v)
	if o.Lost {
		Yield()
	}
	return o.OK, err
}

func (q *Queue[T]) put(ctx context.Context, v T) (o Outcome, err error) {
	w := q.cfg.weigh(v)
	q.mu.Lock()
	defer q.unlock() // also if ctx panics
	o = q.tryLocked(v, w)
	if o.Full {
		o, err = q.waitLocked(ctx, v, w)
	}
	if o.Over {
		err = q.err
	}
	return o, err
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

// putFitting queues values while there is room and returns how many.
func (q *Queue[T]) putFitting(vs []T) (n int) {
	if q.cfg.Metric != nil || len(vs) == 1 {
		return 0
	}
	q.mu.Lock()
	defer q.unlock()
	for n < len(vs) && !q.over && q.fitsLocked(1) {
		q.backlog.push(vs[n], 1)
		n++
	}
	return n
}

// Outcome is what became of a value.
type Outcome struct {
	OK   bool // it was accepted
	Full bool // it was not accepted: its sender must wait
	Lost bool // it, or another in its place, was dropped
	Over bool // nothing more is accepted
}

// TryPut is Put for a sender that does not wait. If something was lost, the sender calls Yield when it is done.
func (q *Queue[T]) TryPut(v T) Outcome {
	w := q.cfg.weigh(v)
	q.mu.Lock()
	defer q.unlock()
	return q.tryLocked(v, w)
}

// tryLocked is offerLocked for a sender that is not in line.
func (q *Queue[T]) tryLocked(v T, w int) Outcome {
	if q.line.Len() > 0 && !q.over {
		return Outcome{Full: true}
	}
	return q.offerLocked(v, w)
}

// waitLocked releases the lock until v is accepted, or the queue or ctx ends.
func (q *Queue[T]) waitLocked(ctx context.Context, v T, w int) (o Outcome, err error) {
	if q.cfg.Metric != nil {
		if err = q.line.Enter(ctx, &q.mu, chanio.Cause); err != nil {
			return o, err
		}
		defer q.line.Leave()
	}
	for {
		if o = q.offerLocked(v, w); !o.Full {
			return o, nil
		}
		if err = q.awaitRoomLocked(ctx); err != nil {
			return o, err
		}
	}
}

// Yield lets other goroutines run: a sender whose values are dropped never waits, and can keep its receivers from running
// for long.
func Yield() { runtime.Gosched() }

// Reserve waits until there is room under Block, and sets it aside for up to n values that Push will bring. It returns for
// how many, or an error as Put does. It is for queues without a Metric.
func (q *Queue[T]) Reserve(ctx context.Context, n int) (int, error) {
	q.mu.Lock()
	defer q.unlock()
	for !q.over {
		if free := q.freeLocked(); free > 0 {
			n = min(n, free)
			q.backlog.weight += n
			return n, nil
		}
		if err := q.awaitRoomLocked(ctx); err != nil {
			return 0, err
		}
	}
	return 0, q.err
}

// Push queues v in room that was reserved.
func (q *Queue[T]) Push(v T) {
	q.mu.Lock()
	defer q.unlock()
	if !q.over {
		q.backlog.weight--
		q.backlog.push(v, 1)
	}
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
	return q.freeLocked()
}

func (q *Queue[T]) freeLocked() int { return q.cfg.Size - q.backlog.weight }

// fitsLocked reports whether there is room for the weight w. A value larger than the queue fits when the queue is
// empty.
func (q *Queue[T]) fitsLocked(w int) bool {
	free := q.freeLocked()
	return w <= free || free == q.cfg.Size
}

// awaitRoomLocked releases the lock until there may be room. It returns an error if ctx ended.
func (q *Queue[T]) awaitRoomLocked(ctx context.Context) error {
	if q.room == nil {
		q.room = make(chan struct{}, 1)
	}
	q.blocked++
	room := q.room
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.blocked--
	}()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}

// unlock wakes the receiver if there is something to receive, and one sender if there is room. Then it releases the
// lock and makes the calls that were deferred until after it. A sender that got room or gave up wakes the next one; the
// end of the queue wakes all.
func (q *Queue[T]) unlock() {
	if q.waiting && q.hasNewsLocked() {
		q.waiting = false
		signal(q.ready)
	}
	if q.blocked > 0 && !q.over && q.fitsLocked(1) {
		signal(q.room)
	}
	left, overflowed := q.backlog.left, q.overflowed
	q.backlog.left, q.overflowed = nil, false
	q.mu.Unlock()
	for _, v := range left {
		defer q.drop(v) // all of them, even if one call panics
	}
	if overflowed && q.cfg.OnOverflow != nil {
		q.cfg.OnOverflow()
	}
}

// hasNewsLocked reports whether a receiver can continue without waiting.
func (q *Queue[T]) hasNewsLocked() bool { return q.backlog.entries.Len() > 0 || q.over }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// offerLocked queues v if there is room, and otherwise does what the policy says.
func (q *Queue[T]) offerLocked(v T, w int) Outcome {
	if q.over {
		return Outcome{Over: true}
	}
	if q.fitsLocked(w) {
		q.backlog.push(v, w)
		return Outcome{OK: true}
	}
	switch q.cfg.Policy {
	case DropOldest, Latest:
		dropped := q.backlog.dropped
		for q.backlog.weight > 0 && !q.fitsLocked(w) {
			q.backlog.dropOldest()
		}
		q.backlog.push(v, w)
		return Outcome{OK: true, Lost: q.backlog.dropped > dropped}
	case DropNewest:
		q.backlog.dropNewest(v)
		return Outcome{Lost: true}
	case Fail, Disconnect:
		q.overLocked(ErrOverflow)
		q.overflowed = true
		q.backlog.dropped++
		if q.cfg.Policy == Disconnect {
			q.backlog.dropped += uint64(q.backlog.entries.Len())
			q.backlog.clear()
		}
		return Outcome{Over: true, Lost: true}
	}
	return Outcome{Full: true}
}

// End accepts nothing more. The receiver gets err after the values in the queue. The first end counts.
func (q *Queue[T]) End(err error) {
	q.mu.Lock()
	defer q.unlock()
	q.overLocked(err)
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
	defer q.unlock()
	q.overLocked(net.ErrClosed)
	q.backlog.clear()
}

// Empty reports whether the queue holds nothing.
func (q *Queue[T]) Empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.backlog.entries.Len() == 0
}

// Over reports whether nothing more is accepted.
func (q *Queue[T]) Over() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.over
}

// Describe describes the state of q.
func (q *Queue[T]) Describe() chanio.Description {
	q.mu.Lock()
	defer q.mu.Unlock()
	return chanio.Description{
		Name: q.cfg.Name, Capacity: q.cfg.Size, Queued: q.cfg.Size - q.freeLocked(), Dropped: q.backlog.dropped,
	}
}
