package pipeline

import (
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// Policy is what a queue does with a value for which it has no room.
type Policy = queue.Policy

// The policies. The zero Policy is the default of the place: DropOldest for a bus, Block everywhere else.
const (
	// Block makes the sender wait: nothing is lost, and the slowest receiver sets the pace.
	Block = queue.Block

	// DropOldest drops the value that waited longest. What the receiver has fetched already, at most a quarter
	// of the queue, is not dropped.
	DropOldest = queue.DropOldest

	// DropNewest drops the value that is being sent.
	DropNewest = queue.DropNewest

	// Latest keeps one value, the latest, whatever the size of the queue: a receiver that was slow goes on with the
	// present state.
	Latest = queue.Latest

	// Fail ends the stream with [ErrOverflow] after the values that the queue holds.
	Fail = queue.Fail

	// Disconnect ends the stream with [ErrOverflow] at once, and drops what the queue holds.
	Disconnect = queue.Disconnect
)

// ErrOverflow is the end of a stream whose queue had no room, under [Fail] and [Disconnect].
var ErrOverflow = queue.ErrOverflow

// DefaultQueue is how many values a queue holds if its Size is 0.
const DefaultQueue = queue.DefaultSize

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
	// A receiver that is stuck in a Send does not notice that end; [chanio.Sink.Abort] gets it out of there.
	// OnOverflow does not block.
	OnOverflow func()

	// Name is for [Tree] and [Dot].
	Name string
}

// newQueue returns a queue as described; nil is the default, which blocks.
func newQueue[T any](stage string, d *Queue[T], drop func(T)) *queue.Queue[T] {
	if d == nil {
		d = &Queue[T]{}
	}
	return queue.New(queue.Config[T](*d).Default("pipeline: "+stage, Block), drop)
}

// receiving returns the hooks of the receiving end of q. closeUp closes what the values come from, ups describes it.
func receiving[T any](
	q *queue.Queue[T], stage string, closeUp func() error, ups func() []chanio.Description,
) chanio.SourceHooks[T] {
	return chanio.SourceHooks[T]{
		Next: q.Next, TryNext: q.TryNext, AtHand: q.AtHand,
		Close: func() error {
			defer q.Close()
			return closeUp()
		},
		Describe: func() chanio.Description {
			d := q.Describe()
			d.Kind, d.Upstream = "pipeline."+stage, ups()
			return d
		},
	}
}

// only returns what describes one upstream.
func only[T any](up chanio.Upstream[T]) func() []chanio.Description {
	return func() []chanio.Description { return []chanio.Description{up.Describe()} }
}
