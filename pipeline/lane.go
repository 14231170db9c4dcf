package pipeline

import (
	"context"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// lane is a queue under [Block] between one sender and one receiver, where a value takes no lock: each side publishes
// how far it is, and looks at the other only when it has used up what it last saw. So under load many values cross at a
// time, and one that comes alone is there at once. An idle lane has no slots, and a busy one no more than it needed.
type lane[T any] struct {
	cfg   *Queue[T]
	ready chan struct{} // wakes the receiver
	room  chan struct{} // wakes the sender
	in    laneIn[T]

	_       cacheLine
	tail    atomic.Int64 // values put so far
	waiting atomic.Bool  // the receiver waits

	_       cacheLine
	head    atomic.Int64 // values taken so far, told by the quarter of the size
	hops    atomic.Uint64
	blocked atomic.Bool // the sender waits

	_      cacheLine
	ending atomic.Bool
	err    error // comes after the values; written once, before over
	over   atomic.Bool
	out    atomic.Pointer[laneOut[T]] // nil: the receiver is gone
}

// cacheLine keeps what one side writes out of the lines of the other.
type cacheLine [64]byte

// segment is a part of the slots. Those of a lane form a ring; the sender adds to it when it comes to one that is in
// use.
type segment[T any] struct {
	slots []T
	next  *segment[T]
	end   int64 // the number of values put when it was full
}

const (
	minSegment = 8 // slots
	maxSegment = 256
)

// laneIn is owned by the sender.
type laneIn[T any] struct {
	out     *laneOut[T] // gets the first segment, also when it is being closed
	segment *segment[T]
	at      int   // the next slot
	put     int64 // values so far
	limit   int64 // that there is room for, as far as it knows
}

// laneOut is owned by the receiver.
type laneOut[T any] struct {
	segment *segment[T]
	at      int   // the next slot
	taken   int64 // values so far
	tail    int64 // as far as it knows
	due     int64 // where it tells the sender how far it is
	onWait  func()
}

func newLane[T any](cfg *Queue[T]) *lane[T] {
	l := &lane[T]{cfg: cfg, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	l.in.limit, l.in.out = int64(cfg.Size), &laneOut[T]{}
	l.out.Store(l.in.out)
	return l
}

// put waits for room and queues v. The error is why nothing more is accepted; ctx's end is to call end.
func (l *lane[T]) put(v T) error {
	in := &l.in
	if in.put == in.limit {
		l.waitForRoom()
	}
	if l.over.Load() {
		return l.err
	}
	if in.segment == nil || in.at == len(in.segment.slots) {
		l.advance()
	}
	in.segment.slots[in.at] = v
	in.at++
	in.put++
	l.tail.Store(in.put)
	if l.waiting.Load() && l.waiting.Swap(false) {
		signal(l.ready)
	}
	return nil
}

// advance makes the sender go on with the next segment.
func (l *lane[T]) advance() {
	in := &l.in
	full := in.segment
	if full == nil {
		in.segment = &segment[T]{slots: make([]T, min(minSegment, l.cfg.Size))}
		in.segment.next = in.segment
		in.out.segment = in.segment // it looks there when tail tells it to
		return
	}
	full.end = in.put
	if full.next.end >= l.head.Load() { // at its end the receiver is still in it, and has not read its next
		size := min(2*len(full.slots), maxSegment, l.cfg.Size)
		full.next = &segment[T]{slots: make([]T, size), next: full.next}
	}
	in.segment, in.at = full.next, 0
}

// waitForRoom returns when there is room, or nothing more is accepted. First it lets the receiver run, which may be all
// that is wanted: a sender without room is in no hurry.
func (l *lane[T]) waitForRoom() {
	if l.hasRoom() {
		return
	}
	yield()
	for !l.hasRoom() {
		l.blocked.Store(true)
		if !l.hasRoom() { // the receiver may not have seen blocked
			<-l.room
		}
		l.blocked.Store(false)
	}
}

func (l *lane[T]) hasRoom() bool {
	l.in.limit = l.head.Load() + int64(l.cfg.Size)
	return l.in.put < l.in.limit || l.over.Load()
}

// finish is called by the sender when nothing more comes.
func (l *lane[T]) finish(err error) {
	l.in.segment, l.in.out = nil, nil
	l.end(err)
}

// end accepts nothing more; the receiver is told err after what is queued. The first end counts.
func (l *lane[T]) end(err error) {
	if l.ending.Swap(true) {
		return
	}
	l.err = err
	l.over.Store(true)
	signal(l.ready)
	signal(l.room)
}

// next returns the next value to the receiver.
func (l *lane[T]) next(ctx context.Context) (v T, err error) {
	out := l.out.Load()
	if out == nil {
		return v, errReceiverGone
	}
	if out.taken == out.tail {
		if err := l.fetch(ctx, out); err != nil {
			return v, err
		}
	}
	if out.at == len(out.segment.slots) {
		out.segment, out.at = out.segment.next, 0
	}
	var none T
	v, out.segment.slots[out.at] = out.segment.slots[out.at], none
	out.at++
	out.taken++
	if out.taken == out.tail || out.taken >= out.due {
		l.release(out)
	}
	return v, nil
}

// release tells the sender how far the receiver is.
func (l *lane[T]) release(out *laneOut[T]) {
	out.due = out.taken + int64(max(1, l.cfg.Size/4))
	l.head.Store(out.taken)
	if l.blocked.Load() && l.blocked.Swap(false) {
		signal(l.room)
	}
}

// fetch waits until there is a value.
func (l *lane[T]) fetch(ctx context.Context, out *laneOut[T]) error {
	for !l.look(out) {
		if l.over.Load() {
			if l.look(out) {
				break // it came before the end
			}
			return l.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l.await(ctx, out)
	}
	l.hops.Store(l.hops.Load() + 1) // nobody else writes it
	return nil
}

// look reports whether there is a value.
func (l *lane[T]) look(out *laneOut[T]) bool {
	out.tail = l.tail.Load()
	return out.tail > out.taken
}

// await waits for the sender.
func (l *lane[T]) await(ctx context.Context, out *laneOut[T]) {
	if out.onWait != nil {
		out.onWait()
	}
	l.waiting.Store(true)
	if l.tail.Load() == out.taken && !l.over.Load() { // the sender may not have seen waiting
		select {
		case <-l.ready:
		case <-ctx.Done():
		}
	}
	l.waiting.Store(false)
}

// close is called when the receiver wants no more.
func (l *lane[T]) close() {
	l.end(errReceiverGone)
	l.out.Store(nil)
}

func (l *lane[T]) setOnWait(f func()) bool {
	if out := l.out.Load(); out != nil {
		out.onWait = f
	}
	return true
}

// describe tells how l stands.
func (l *lane[T]) describe() chanio.Description {
	head := l.head.Load() // before tail, which is never behind it
	d := chanio.Description{
		Name: l.cfg.Name, Capacity: l.cfg.Size, Queued: int(l.tail.Load() - head),
		Passed: uint64(head),
	}
	return d
}

// source returns the receiving end of l. gone tells the producer that it was closed, up where the values come from.
func (l *lane[T]) source(kind string, gone func() error, up func() chanio.Description) *chanio.Source[T] {
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: l.next,
		Close: func() error {
			l.close()
			return gone()
		},
		Describe: func() chanio.Description {
			d := l.describe()
			d.Kind, d.Upstream = kind, []chanio.Description{up()}
			return d
		},
	})
}
