package pipeline

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Buffer runs the stages above it in a goroutine, up to n values ahead of the receiver. When n values wait, the policy
// applies to the next one: [Block] holds it until there is room, and receives no further one from src.
//
// The goroutine ends when src ends, when ctx ends, which closes src for good, or when the receiver closes the stream.
// The end or failure of src, or the cause of ctx, comes after the waiting values. A panic in a stage above ends the
// stream with a [*chanio.PanicError].
func Buffer[T any](ctx context.Context, src *chanio.Source[T], n int, policy Policy) *chanio.Source[T] {
	atLeast("Buffer", "n", n, 1)
	return buffer(ctx, src, "Buffer", &Queue[T]{Size: n, Policy: policy})
}

// BufferBy is [Buffer] with a limit on the sum of the metric, such as the length, of the waiting values. A value above
// the limit passes when no other waits. metric is called in the goroutine that BufferBy starts.
func BufferBy[T any](
	ctx context.Context, src *chanio.Source[T], metric func(T) int, limit int, policy Policy,
) *chanio.Source[T] {
	must(metric != nil, "BufferBy: metric is nil")
	atLeast("BufferBy", "limit", limit, 1)
	return buffer(ctx, src, "BufferBy", &Queue[T]{Size: limit, Policy: policy, Metric: metric})
}

// BufferWith is [Buffer] with the options of a [Queue]; nil is the default.
func BufferWith[T any](ctx context.Context, src *chanio.Source[T], queue *Queue[T]) *chanio.Source[T] {
	return buffer(ctx, src, "BufferWith", queue)
}

func buffer[T any](ctx context.Context, src *chanio.Source[T], stage string, d *Queue[T]) *chanio.Source[T] {
	up := claim(ctx, src, stage)
	q := newQueue(stage, d, up.Undelivered())
	go pump(ctx, up, q.Room, func(vs []T) (int, error) { return q.PutAll(ctx, vs) }, q.End)
	h := receiving(q, stage, up.Close, only(up))
	h.Undelivered, h.KeepUntaken = up.Undelivered(), true
	return chanio.NewSource(h)
}
