package pipeline

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Buffer lets the stages above it run in a goroutine of their own, up to n values ahead of the receiver. When n values
// wait, the policy decides: [Block] holds src back.
//
// The goroutine ends when src does, when ctx ends, which closes src for good, or when the receiver closes the stream.
// An end or a failure of src, and ctx's cause, come after the values that wait. A panic in a stage above it ends the
// stream with a *chanio.PanicError. It is Manifold's buffer, and with the policies its dropping-stream and
// sliding-stream.
func Buffer[T any](ctx context.Context, src *chanio.Source[T], n int, policy Policy) *chanio.Source[T] {
	atLeast("n", n, 1)
	return buffer(ctx, src, "pipeline.Buffer", &Queue[T]{Size: n, Policy: policy})
}

// BufferBy is [Buffer] with a limit to the sum of what metric makes of the values that wait, such as their length. A
// value beyond the limit passes when nothing else waits. metric is called in the goroutine that BufferBy starts. It is
// Manifold's buffer with a metric, whose limit holds only for producers that wait when they are told to.
func BufferBy[T any](
	ctx context.Context, src *chanio.Source[T], metric func(T) int, limit int, policy Policy,
) *chanio.Source[T] {
	atLeast("limit", limit, 1)
	return buffer(ctx, src, "pipeline.BufferBy", &Queue[T]{Size: limit, Policy: policy, Metric: metric})
}

// BufferWith is [Buffer] with all that a [Queue] has to offer; nil is the default.
func BufferWith[T any](ctx context.Context, src *chanio.Source[T], queue *Queue[T]) *chanio.Source[T] {
	return buffer(ctx, src, "pipeline.BufferWith", queue)
}

func buffer[T any](ctx context.Context, src *chanio.Source[T], stage string, d *Queue[T]) *chanio.Source[T] {
	q := newQueue(d, Block)
	up := src.Claim(stage)
	if q.undelivered = up.Undelivered(); q.isPlain() {
		l := newLane(q.cfg)
		stop := context.AfterFunc(ctx, func() { l.end(context.Cause(ctx)) })
		go pump(ctx, up, l.put, func(err error) { stop(); l.finish(err) })
		return l.source(stage, up.Close, up.Describe)
	}
	go pump(ctx, up, q.putter(ctx), func(err error) { q.end(err, false) })
	return q.source(stage, up.Close, func() []chanio.Description { return []chanio.Description{up.Describe()} })
}

// isPlain reports whether a lane can stand in for q, if it has one sender: nothing is lost or has to be given back, and
// each value counts for one.
func (q *queue[T]) isPlain() bool {
	return q.cfg.Policy == Block && q.cfg.Metric == nil && q.undelivered == nil
}

// putter returns a function that puts a value into q, and fails only if q or ctx has ended.
func (q *queue[T]) putter(ctx context.Context) func(T) error {
	done := ctx.Done()
	return func(v T) error {
		if hasEnded(done) { // neither an upstream that has values at hand nor a policy that drops looks at ctx
			q.giveUp(v)
			return context.Cause(ctx)
		}
		_, err := q.put(ctx, v)
		return err
	}
}

// hasEnded is ctx.Err() != nil at a lower price, for its Done channel.
func hasEnded(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// pump calls put with every value of up until one of them fails, as put does when ctx has ended. Then it closes up, and
// calls done with the reason, io.EOF if up ended well. A panic of a stage above, and a Goexit, become the reason.
func pump[T any](ctx context.Context, up chanio.Upstream[T], put func(T) error, done func(error)) {
	var err error
	returned := false
	defer func() {
		if !returned {
			err = up.Fail(ctx, chanio.Recovered(recover()))
		}
		_ = up.Close() // err is what matters
		done(err)
	}()
	err = pumpOf(ctx, up, put)
	returned = true
}

func pumpOf[T any](ctx context.Context, up chanio.Upstream[T], put func(T) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for {
		v, err := up.Next(ctx)
		if err != nil {
			return err
		}
		if err := put(v); err != nil {
			return err
		}
	}
}
