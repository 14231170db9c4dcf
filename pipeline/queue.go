package pipeline

import (
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// Policy decides what a queue does with a value for which it has no room.
type Policy = queue.Policy

// The policies. The zero Policy is the default of the place: DropOldest for a bus, Block everywhere else.
const (
	// Block makes the sender wait: nothing is lost, and the slowest receiver sets the pace.
	Block = queue.Block

	// DropOldest drops the value that waited longest.
	DropOldest = queue.DropOldest

	// DropNewest drops the value that is being sent.
	DropNewest = queue.DropNewest

	// Latest keeps one value, the latest, whatever the size of the queue: a slow receiver continues with the current
	// state.
	Latest = queue.Latest

	// Fail ends the stream with [ErrOverflow] after the values that the queue holds.
	Fail = queue.Fail

	// Disconnect ends the stream with [ErrOverflow] at once, and drops what the queue holds.
	Disconnect = queue.Disconnect
)

// ErrOverflow is the end of a stream whose queue had no room, under [Fail] and [Disconnect].
var ErrOverflow = queue.ErrOverflow

// DefaultQueue is how many values a queue holds if its Size is 0: 64.
const DefaultQueue = queue.DefaultSize

// Queue configures a bounded queue between two goroutines. A nil *Queue and the zero value are the default.
type Queue[T any] struct {
	// Size is the capacity of the queue: a number of values, or of units of Metric. 0 means DefaultQueue.
	Size int

	// Policy decides what happens to a value for which there is no room.
	Policy Policy

	// Metric returns the weight of a value, at least 1. nil means that each value weighs 1. A value heavier than Size
	// is accepted when the queue is empty. Under Block, no value overtakes one that waits for room. Metric may be called
	// several times with a value, by any goroutine, and must always return the same weight.
	Metric func(v T) int

	// Mark, if not nil, returns an item that is received in place of lost values and reports how many they were. If it
	// is nil, only Dropped of [chanio.Source.Describe] counts them. A mark takes no room.
	Mark func(lost uint64) T

	// OnOverflow, if not nil, is called once when Fail or Disconnect ends the stream, by the sender that found no room.
	// It must not block. A receiver that is blocked in a Send does not notice that end; call [chanio.Sink.Abort] to
	// unblock it.
	OnOverflow func()

	// Name is for [Tree] and [Dot].
	Name string
}

// newQueue returns the queue that is described; nil means the default, which blocks.
func newQueue[T any](stage string, d *Queue[T], drop func(T)) *queue.Queue[T] {
	if d == nil {
		d = &Queue[T]{}
	}
	return queue.New(queue.Config[T](*d).Default("pipeline: "+stage, Block), drop)
}

// receiving returns the hooks of the receiving end of q. closeUp closes the upstreams, and ups describes them.
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

// only returns a function that describes one upstream.
func only[T any](up chanio.Upstream[T]) func() []chanio.Description {
	return func() []chanio.Description { return []chanio.Description{up.Describe()} }
}
