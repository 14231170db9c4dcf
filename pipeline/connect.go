package pipeline

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Connect sends all values of src to dst, in the caller's goroutine, and returns why it stopped:
//
//   - src ended: dst is drained and closed, and Connect returns the result of that.
//   - src failed: dst is flushed and left open; Connect returns src's failure.
//   - dst ended: src is closed at once, and Connect returns dst's failure, or net.ErrClosed after a Close.
//   - ctx ended: a value that was taken and not accepted is put back into src, neither side is closed, and Connect
//     returns ctx's cause.
//   - dst refused one value, as a codec does with one it cannot encode: as if src had failed; the value is put back.
//
// While src has values at hand dst is corked. Connect is the one consumer of src while it runs. A panic in a stage of
// src closes src and goes on. To lead several sources into one sink see [Merge] and [LastOf], one source into several
// sinks [Tee]. It is Manifold's connect, where a closed dst is noticed, and a value lost, only with the next message.
func Connect[T any](ctx context.Context, src *chanio.Source[T], dst *chanio.Sink[T]) error {
	return ConnectWith(ctx, src, dst, nil)
}

// ConnectOptions changes what [ConnectWith] does. The zero value is [Connect].
type ConnectOptions struct {
	// KeepSink leaves dst open, and flushed, when src ends well. It is Manifold's downstream? false.
	KeepSink bool

	// Last closes dst with the last of several calls that share it and whose sources ended well; the others flush it.
	// See [LastOf]. A call that stops for another reason does not count, so that dst stays open for its source to be
	// resumed.
	Last *Countdown

	// KeepSource leaves src open when dst ends, with the value that dst did not accept put back, so that another call
	// can lead src to another sink. Manifold loses that value.
	KeepSource bool

	// SendTimeout is how long one value may wait for room in dst. When it has, the value is put back, neither side is
	// closed, and the error is os.ErrDeadlineExceeded. 0 means for ever.
	SendTimeout time.Duration

	// Description names the connection in Graph.
	Description string

	// Graph shows the connection while it lives. Nil: none does.
	Graph *Graph
}

// Countdown is shared by several calls of [ConnectWith] that lead to the same sink.
type Countdown struct{ left atomic.Int64 }

// LastOf returns a Countdown for n calls of [ConnectWith], each of which gets it once.
func LastOf(n int) *Countdown {
	atLeast("n", n, 1)
	c := &Countdown{}
	c.left.Store(int64(n))
	return c
}

// ConnectWith is [Connect] with options; nil stands for none.
func ConnectWith[T any](
	ctx context.Context, src *chanio.Source[T], dst *chanio.Sink[T], opts *ConnectOptions,
) error {
	c := newConnection(src.Claim("pipeline.Connect"), dst, opts)
	return c.run(ctx, func(ctx context.Context) error {
		return moveEach(ctx, c.up, dst, sender(ctx, c))
	})
}

// ConnectVia calls f with every value of src, and f sends what it makes of it to dst: nothing, one value or many. For
// the ends of src, dst and ctx it is [Connect]. When f returns io.EOF, src is closed and dst drained and closed, as if
// src had ended there; any other error stops ConnectVia, which flushes dst, leaves both sides open and returns it. The
// value for which f failed is put back into src. It is Manifold's connect-via, whose result stays pending when the
// callback declines.
func ConnectVia[A, B any](
	ctx context.Context, src *chanio.Source[A], dst *chanio.Sink[B],
	f func(ctx context.Context, v A, dst *chanio.Sink[B]) error,
) error {
	c := newConnection(src.Claim("pipeline.ConnectVia"), dst, nil)
	return c.run(ctx, func(ctx context.Context) error {
		return moveEach(ctx, c.up, dst, func(v A) error {
			err := f(ctx, v, dst)
			if err == io.EOF {
				_ = c.up.Close()
			}
			return err
		})
	})
}

// connection is one call of Connect.
type connection[A, B any] struct {
	up   chanio.Upstream[A]
	dst  *chanio.Sink[B]
	opts ConnectOptions
}

func newConnection[A, B any](up chanio.Upstream[A], dst *chanio.Sink[B], opts *ConnectOptions) *connection[A, B] {
	c := &connection[A, B]{up: up, dst: dst}
	if opts != nil {
		c.opts = *opts
	}
	atLeast("SendTimeout", c.opts.SendTimeout, 0)
	return c
}

// run calls move with a ctx that ends with dst too, and does what is to be done at the end.
func (c *connection[A, B]) run(ctx context.Context, move func(context.Context) error) error {
	returned := false
	defer func() {
		defer c.up.Release()
		if !returned {
			crash(ctx, c.up, recover())
		}
	}()
	if c.opts.Graph != nil {
		defer c.opts.Graph.add(c.opts.Description, c.up.Describe, c.dst.Describe)()
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer c.dst.OnDone(cancel)()
	err := c.finish(ctx, move(both))
	returned = true
	return err
}

// finish makes of the reason why the values stopped what Connect returns.
func (c *connection[A, B]) finish(ctx context.Context, err error) error {
	switch {
	case err == io.EOF:
		return c.end(ctx)
	case isDone(c.dst) && c.opts.KeepSource:
		return endOf(c.dst)
	case isDone(c.dst):
		return errors.Join(endOf(c.dst), c.up.Close())
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errSendTimeout):
		return err // a flush would wait for the same peer
	}
	_ = c.dst.Flush(ctx) // err is what matters
	return err
}

// end does what is to be done when src has ended well.
func (c *connection[A, B]) end(ctx context.Context) error {
	if c.opts.KeepSink || c.opts.Last != nil && c.opts.Last.left.Add(-1) > 0 {
		return c.dst.Flush(ctx)
	}
	return ignoreUnsupported(c.dst.Close())
}

// errSendTimeout is why a value with a SendTimeout was put back.
var errSendTimeout = &sendTimeout{}

type sendTimeout struct{}

func (*sendTimeout) Error() string {
	return "pipeline: Connect: the sink took nothing within SendTimeout"
}
func (*sendTimeout) Timeout() bool   { return true }
func (*sendTimeout) Temporary() bool { return true }
func (*sendTimeout) Unwrap() error   { return os.ErrDeadlineExceeded }

// within calls wait with a ctx that SendTimeout bounds, if try, which does not wait, had no room.
func (c *connection[A, B]) within(
	ctx context.Context, try func() (bool, error), wait func(context.Context) error,
) error {
	if ok, err := try(); ok || err != nil {
		return err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, c.opts.SendTimeout, errSendTimeout)
	defer cancel()
	return wait(bounded)
}

// sender returns what sends a value to dst.
func sender[T any](ctx context.Context, c *connection[T, T]) func(T) error {
	if c.opts.SendTimeout == 0 {
		return func(v T) error { return c.dst.Send(ctx, v) }
	}
	return func(v T) error {
		return c.within(ctx,
			func() (bool, error) { return c.dst.TrySend(v) },
			func(ctx context.Context) error { return c.dst.Send(ctx, v) })
	}
}

// moveEach calls send with every value, while dst is corked as long as there are values at hand.
func moveEach[A, B any](
	ctx context.Context, up chanio.Upstream[A], dst *chanio.Sink[B], send func(A) error,
) error {
	c := corker[B]{dst: dst}
	c.off = true
	for {
		v, err := up.Next(ctx)
		if err != nil {
			return err
		}
		c.hold()
		if err := send(v); err != nil {
			up.Unread(v)
			return err
		}
	}
}

// corker corks a sink from the first value after a wait to the next wait.
type corker[T any] struct {
	dst     *chanio.Sink[T]
	off, on bool
	uncork  func()
}

func (c *corker[T]) hold() {
	if !c.on && !c.off {
		c.cork()
	}
}

func (c *corker[T]) cork() {
	c.on = true
	c.uncork = c.dst.Cork()
}

func (c *corker[T]) letGo() {
	if c.on {
		c.on = false
		c.uncork()
	}
}

func isDone[T any](s *chanio.Sink[T]) bool { return isClosed(s.Done()) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// endOf is what a sender is told of a sink that has ended.
func endOf[T any](s *chanio.Sink[T]) error {
	if err := s.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
