package chanio

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/internal/deadline"
)

// turn decides which consumer may use a Source. A consumer is created for its ctx. It remains in use while calls come
// with that ctx and no other consumer comes between, which costs one compare-and-swap a call. Everything else is
// decided under mu.
type turn struct {
	now atomic.Pointer[consumer] // the present consumer, or the last one; nil before the first
	mu  sync.Mutex
}

// consumer is one who uses a Source within one ctx. Its state is
//
//	vacant   it has let go; it comes back, or another consumer replaces it
//	taken    a call of Recv or TryRecv, the goroutine of C, or All while it receives; it lets go itself
//	awaited  like taken, and another consumer waits on left
//	inBody   All runs the body of its loop, and comes back to taken; once its ctx or the stream has ended, another
//	         consumer may replace it
//	owned    a stage, until Release; once the ctx of Acquire has ended, other consumers wait on left
//	gone     it has been replaced, or will not come back
type consumer struct {
	state atomic.Uint32
	inC   bool            // the goroutine of C
	done  <-chan struct{} // of its ctx
	owner *string         // the stage, if it is one
	left  chan struct{}   // closed when it lets go; made, under mu, by the one that waits for that
}

const (
	vacant = iota
	taken
	awaited
	inBody
	owned
	gone
)

// enter makes the caller the consumer: next, or the present one if that has the same ctx. It waits, within ctx, for a
// consumer whose ctx or stream has ended to leave. It panics if there is another, unless ctx has ended.
func (t *turn) enter(ctx context.Context, end *End) (*consumer, error) {
	if c := t.now.Load(); c != nil && c.done == ctx.Done() && c.state.CompareAndSwap(vacant, taken) {
		return c, nil
	}
	next := &consumer{done: ctx.Done()}
	next.state.Store(taken)
	return next, t.replace(ctx, next, end)
}

// replace makes next the consumer, as enter does.
func (t *turn) replace(ctx context.Context, next *consumer, end *End) error {
	for {
		left, wrong := t.tryReplace(ctx, next, end)
		switch {
		case wrong != "":
			panic(wrong)
		case left == nil:
			return nil
		}
		if err := wait(ctx, left); err != nil {
			return err
		}
	}
}

// wait returns when left is closed, or the cause of ctx.
func wait(ctx context.Context, left <-chan struct{}) error {
	select {
	case <-left:
		return nil
	case <-ctx.Done():
		return Cause(ctx)
	}
}

// tryReplace makes next the consumer. Otherwise it returns a channel to wait for before the next try, or the error
// message for a second consumer.
func (t *turn) tryReplace(ctx context.Context, next *consumer, end *End) (left <-chan struct{}, wrong string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.now.Load()
	for c != nil && c.state.Load() != gone && !c.state.CompareAndSwap(vacant, gone) {
		state := c.state.Load()
		switch over := deadline.Ended(c.done) || state != owned && !end.Open(); {
		case state == vacant || state == gone:
		case !over && ctx != trying && ctx.Err() != nil:
			return never, "" // a call whose ctx has ended is no second consumer
		case !over:
			return nil, c.contention(ctx, state)
		case state == inBody:
			c.state.CompareAndSwap(inBody, gone)
		case state != taken || c.state.CompareAndSwap(taken, awaited):
			if c.left == nil {
				c.left = make(chan struct{})
			}
			return c.left, ""
		}
	}
	t.now.Store(next)
	return nil, ""
}

// trying is the ctx of TryRecv. It has ended, but unlike other such calls a TryRecv counts as a second consumer.
var trying context.Context = struct{ context.Context }{deadline.Past}

// never is a channel that is not closed.
var never = make(chan struct{})

// leave moves c, which is taken or owned, to another state, and wakes waiting consumers.
func (t *turn) leave(c *consumer, state uint32) {
	if c.state.CompareAndSwap(taken, state) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.state.Store(state)
	if c.left != nil {
		close(c.left)
		c.left = nil
	}
}

// contention returns the error message for a second consumer beside c.
func (c *consumer) contention(ctx context.Context, state uint32) string {
	const tee = "; to give its values to several consumers, use pipeline.Tee"
	switch {
	case state == owned:
		return fmt.Sprintf("chanio: this Source already has a consumer, %s%s", *c.owner, tee)
	case state == inBody:
		return "chanio: this Source is being received from by a range over All or Values, whose body (or another goroutine) must not receive from it too" + tee
	case c.inC && c.done != ctx.Done():
		return "chanio: this Source already has a consumer, a channel from C with another ctx that has not ended; goroutines may share that channel" + tee
	}
	return "chanio: this Source already has a consumer, another Recv, All or C" + tee
}
