package pipeline

import (
	"errors"

	"github.com/weir-go/weir/chanio"
)

// Policy is what a queue does with a value for which it has no room (G13).
type Policy int

// The policies. The zero Policy is the default of the place: DropOldest for a [Bus], Block everywhere else.
const (
	// Block makes the sender wait: nothing is lost, and the slowest receiver sets the pace.
	Block Policy = iota + 1

	// DropOldest drops the value that waited longest. What the receiver has fetched already, at most a quarter
	// of the queue, is not dropped.
	DropOldest

	// DropNewest drops the value that is being sent.
	DropNewest

	// Latest keeps one value, the latest, whatever the size of the queue: a receiver that was slow goes on with the
	// present state.
	Latest

	// Fail ends the stream with [ErrOverflow] after the values that the queue holds.
	Fail

	// Disconnect ends the stream with [ErrOverflow] at once, and drops what the queue holds.
	Disconnect
)

// String returns the name of p.
func (p Policy) String() string {
	switch p {
	case Block:
		return "Block"
	case DropOldest:
		return "DropOldest"
	case DropNewest:
		return "DropNewest"
	case Latest:
		return "Latest"
	case Fail:
		return "Fail"
	case Disconnect:
		return "Disconnect"
	}
	return "default"
}

// ErrOverflow is the end of a stream whose queue had no room, under [Fail] and [Disconnect].
var ErrOverflow = errors.New("pipeline: the receiver was too slow")

// DefaultQueue is how many values a queue holds if its Size is 0.
const DefaultQueue = 64

// Queue describes a bounded queue between two goroutines. The zero value, and a nil *Queue, is the default.
type Queue[T any] struct {
	// Size is how much the queue holds at most: a number of values, or of what Metric counts. What its receiver has
	// fetched and not yet returned is included. 0 means DefaultQueue.
	Size int

	// Policy is what happens to a value for which there is no room.
	Policy Policy

	// Metric is what a value counts for, at least 1; nil: each counts for 1. A value beyond Size is accepted when the
	// queue is empty. Metric is called more than once with a value, by any goroutine, and always returns the same.
	Metric func(v T) int

	// Mark makes the item that tells a receiver, in the place of the values that it lost, how many those were. Nil: it
	// is not told, and [chanio.Source.Describe] has their number in Dropped. A mark takes no room.
	Mark func(lost uint64) T

	// OnOverflow, if not nil, is called once when Fail or Disconnect ends the stream, by the sender that found no room.
	// A receiver that is stuck in a Send does not notice that end; chanio's [chanio.Sink.Abort] gets it out of there.
	// OnOverflow does not block.
	OnOverflow func()

	// Name is for [Tree] and [Dot].
	Name string
}

// orDefault returns a copy of q with the defaults filled in.
func (q *Queue[T]) orDefault(policy Policy) *Queue[T] {
	var c Queue[T]
	if q != nil {
		c = *q
	}
	atLeast("Size", c.Size, 0)
	if c.Size == 0 {
		c.Size = DefaultQueue
	}
	if c.Policy == 0 {
		c.Policy = policy
	}
	if c.Policy < Block || c.Policy > Disconnect {
		panic("pipeline: Policy is none of the six")
	}
	if c.Policy == Latest {
		c.Size, c.Metric = 1, nil
	}
	return &c
}

// newQueue returns a queue as described, with the given default policy.
func newQueue[T any](d *Queue[T], policy Policy) *queue[T] {
	return &queue[T]{cfg: d.orDefault(policy)}
}

// close is called when the receiver wants no more.
func (q *queue[T]) close() {
	q.end(errReceiverGone, true)
	q.receiver.Store(nil)
}

func (q *queue[T]) setOnWait(f func()) bool {
	q.receiving().onWait = f
	return true
}

// source returns the receiving end of q. gone tells the producer that it was closed, ups where the values come from.
func (q *queue[T]) source(kind string, gone func() error, ups func() []chanio.Description) *chanio.Source[T] {
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: q.next,
		Close: func() error {
			q.close()
			return gone()
		},
		Undelivered: q.undelivered,
		Describe: func() chanio.Description {
			d := q.describe()
			d.Kind, d.Upstream = kind, ups()
			return d
		},
	})
}
