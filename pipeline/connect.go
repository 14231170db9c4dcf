package pipeline

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/leanctx"
)

// Connect sends all values of src to dst, in the caller's goroutine, and returns the reason why it stopped:
//
//   - src ended: Connect drains and closes dst and returns the result of that.
//   - src failed: Connect flushes dst, leaves it open and returns src's failure.
//   - dst ended: Connect closes src at once and returns dst's failure, or net.ErrClosed after a Close.
//   - ctx ended: Connect puts values that dst has not accepted back into src, closes neither side, and returns
//     [chanio.Cause] of ctx.
//   - dst rejected one value, as a codec does with a value it cannot encode: as if src had failed; the value is put
//     back.
//
// While src has values at hand, dst is corked, and values that need no user code move in batches. Connect is the only
// consumer of src while it runs. A panic in a stage of src closes src and propagates. To send several sources to one
// sink, see [Merge]; to send one source to several sinks, see [Tee].
func Connect[T any](ctx context.Context, src *chanio.Source[T], dst *chanio.Sink[T]) error {
	return ConnectWith(ctx, src, dst, nil)
}

// ConnectConfig configures [ConnectWith]. The zero value is [Connect].
type ConnectConfig struct {
	// KeepSink leaves dst open, after a flush, when src ends cleanly.
	KeepSink bool

	// KeepSource leaves src open when dst ends, with the values that dst did not accept put back, so that another call
	// can send src to another sink.
	KeepSource bool

	// SendTimeout limits how long one value may wait for room in dst. When it is exceeded, ConnectWith puts the value
	// back, closes neither side, and returns an error that matches os.ErrDeadlineExceeded. 0 means no limit.
	SendTimeout time.Duration

	// Description names the connection in Graph.
	Description string

	// Graph, if not nil, shows the connection while ConnectWith runs.
	Graph *Graph
}

// ConnectWith is [Connect] with the options of cfg; nil is the default.
func ConnectWith[T any](ctx context.Context, src *chanio.Source[T], dst *chanio.Sink[T], cfg *ConnectConfig) error {
	return connect(ctx, src, dst, cfg, "Connect", send, true)
}

// ConnectVia calls f with every value of src, and f sends any number of values to dst. The ends of src, dst and ctx are
// handled as in [Connect]. If f returns io.EOF, ConnectVia closes src, and drains and closes dst, as if src had ended
// there. On any other error of f it flushes dst, leaves both sides open and returns the error. The value for which f
// failed is put back into src.
func ConnectVia[A, B any](
	ctx context.Context, src *chanio.Source[A], dst *chanio.Sink[B],
	f func(ctx context.Context, v A, dst *chanio.Sink[B]) error,
) error {
	must(f != nil, "ConnectVia: f is nil")
	return connect(ctx, src, dst, nil, "ConnectVia", func(ctx context.Context, c *connection[A, B], vs []A) (int, error) {
		for _, v := range vs {
			err := f(ctx, v, dst)
			switch {
			case isOfCall(ctx, err):
				return 0, chanio.Cause(ctx)
			case err == io.EOF:
				_ = c.up.Close() // the values ended cleanly
			case err != nil:
				return 0, err
			}
			if c.accepted(1); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}, false)
}

// connection is one call of Connect.
type connection[A, B any] struct {
	mover[A]
	dst *chanio.Sink[B]
	cfg *ConnectConfig

	// send sends values and returns how many were accepted and not yet counted.
	send func(ctx context.Context, c *connection[A, B], vs []A) (int, error)

	uncork  func() // nil: dst is not corked
	batches int    // since the last wait
	several bool   // batches before the last wait

	cancel context.CancelFunc // of the ctx that ends with dst
	stop   func() bool        // of dst.OnDone
	unlist func()             // of Graph, or nil
	late   error              // a *sendTimeout, or nil without a SendTimeout
}

// connect sends all values with a ctx that also ends when dst does, and then closes or flushes as cfg says. joins means
// that chunks of a stream of bytes may be joined. An idle connection waits in connect, so that it and its callees are few
// and have small stack frames: its goroutine must not need a stack of 8 KiB.
func connect[A, B any](
	ctx context.Context, src *chanio.Source[A], dst *chanio.Sink[B], cfg *ConnectConfig, stage string,
	send func(context.Context, *connection[A, B], []A) (int, error), joins bool,
) error {
	checkConnect(dst != nil, cfg, stage)
	up, err := acquire(ctx, src, stage)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if returned {
			up.Release()
		} else {
			crashed(ctx, up, recover())
		}
	}()
	c := newConnection(up, dst, cfg, send)
	defer c.leave()
	if bounded := c.begin(ctx); joins && up.IsBytes() {
		err = c.moveBytes(bounded)
	} else {
		c.lends = joins && up.Lends() && dst.Consumes()
		err = c.run(bounded, c)
	}
	c.idle()
	c.giveBack()
	err = c.finish(ctx, err)
	returned = true
	return err
}

//go:noinline
func checkConnect(sink bool, cfg *ConnectConfig, stage string) {
	must(sink, stage+": the Sink is nil")
	if cfg != nil {
		atLeast(stage, "SendTimeout", cfg.SendTimeout, 0)
	}
}

// noConfig is the ConnectConfig of Connect.
var noConfig ConnectConfig

//go:noinline
func newConnection[A, B any](
	up chanio.Upstream[A], dst *chanio.Sink[B], cfg *ConnectConfig,
	send func(context.Context, *connection[A, B], []A) (int, error),
) *connection[A, B] {
	c := &connection[A, B]{mover: newMover(up), dst: dst, cfg: &noConfig, send: send, several: true}
	if cfg != nil {
		c.cfg = new(ConnectConfig)
		*c.cfg = *cfg
	}
	if c.cfg.SendTimeout > 0 {
		c.late = &sendTimeout{dst.End()}
	}
	return c
}

// begin returns a ctx that also ends when dst does.
//
//go:noinline
func (c *connection[A, B]) begin(ctx context.Context) context.Context {
	if c.cfg.Graph != nil {
		c.unlist = c.cfg.Graph.add(c.cfg.Description, c.up.Describe, c.dst.Describe)
	}
	ctx, c.cancel = leanctx.WithCancel(ctx)
	c.stop = c.dst.OnDone(c.cancel)
	return ctx
}

// leave cleans up after the call, including a call that panics.
//
//go:noinline
func (c *connection[A, B]) leave() {
	c.idle()
	if c.stop != nil {
		c.stop()
	}
	if c.cancel != nil {
		c.cancel()
	}
	if c.unlist != nil {
		c.unlist()
	}
	c.giveBack()
}

// finish returns the result of Connect for err, the reason why the values stopped. It is separate from its caller to
// keep the stack of an idle connection small.
//
//go:noinline
func (c *connection[A, B]) finish(ctx context.Context, err error) error {
	switch {
	case err == io.EOF:
		return c.end(ctx)
	case hasEnded(c.dst.Done()) && c.cfg.KeepSource:
		return endOf(c.dst)
	case hasEnded(c.dst.Done()):
		return errors.Join(endOf(c.dst), c.up.Close())
	case ctx.Err() != nil:
		return chanio.Cause(ctx)
	case errors.As(err, new(*sendTimeout)):
		return err // a flush would wait for the same peer
	}
	_ = c.dst.Flush(ctx) // err is returned in any case
	return err
}

// end closes or flushes dst after src has ended cleanly.
func (c *connection[A, B]) end(ctx context.Context) error {
	if c.cfg.KeepSink {
		return c.dst.Flush(ctx)
	}
	if err := c.dst.Close(); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// sendTimeout is the reason why a value was put back at the end of SendTimeout.
type sendTimeout struct{ of *chanio.End }

// Of reports whether the sink without room is the one with this End, or a stage on it. A server asks, to tell its peer's
// slowness from that of a backend.
func (e *sendTimeout) Of(end *chanio.End) bool { return e.of == end }

func (*sendTimeout) Error() string {
	return "pipeline: Connect: no room in the sink within SendTimeout"
}
func (*sendTimeout) Timeout() bool   { return true }
func (*sendTimeout) Temporary() bool { return true }
func (*sendTimeout) Unwrap() error   { return os.ErrDeadlineExceeded }

// within calls try, which does not block. If there is no room, it calls wait with a ctx that SendTimeout bounds.
func (c *connection[A, B]) within(
	ctx context.Context, try func() (bool, error), wait func(context.Context) error,
) error {
	if ok, err := try(); ok || err != nil {
		return err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, c.cfg.SendTimeout, c.late)
	defer cancel()
	return wait(bounded)
}

// send sends values to dst and returns how many were accepted and not yet counted. Values are counted one by one unless
// the sink takes many at a time: a Send may panic, and those before it must not be put back.
func send[T any](ctx context.Context, c *connection[T, T], vs []T) (int, error) {
	if len(vs) > 1 && c.cfg.SendTimeout == 0 && c.dst.Batches() {
		return c.dst.SendAll(ctx, vs...)
	}
	for _, v := range vs {
		if err := sendOne(ctx, c, v); err != nil {
			return 0, err
		}
		c.accepted(1)
	}
	return 0, nil
}

func sendOne[T any](ctx context.Context, c *connection[T, T], v T) error {
	if c.cfg.SendTimeout == 0 {
		return c.dst.Send(ctx, v)
	}
	return c.within(ctx,
		func() (bool, error) { return c.dst.TrySend(v) },
		func(ctx context.Context) error { return c.dst.Send(ctx, v) })
}

// put sends values at hand. dst is corked from the first value after a wait until the next wait, so that everything at
// hand leaves together. A value that a user's function made is sent before the next is made. If there was only one batch
// before the last wait, dst is corked from the second batch on: where values come one at a time, as in requests and
// replies, cork, timer and uncork cost 0.5 µs of the 15 µs that an echo over TCP takes.
func (c *connection[A, B]) put(ctx context.Context, vs []A) (int, error) {
	if c.batches++; c.uncork == nil && (c.several || c.batches > 1) {
		c.uncork = c.dst.Cork()
	}
	return c.send(ctx, c, vs)
}

// idle uncorks dst, before a wait and at the end.
func (c *connection[A, B]) idle() {
	if uncork := c.uncork; uncork != nil {
		c.uncork = nil
		uncork()
	}
	c.batches, c.several = 0, c.batches > 1
}

// smallChunk is the largest chunk that is copied to the sink's buffer; larger ones are sent from where they are.
const smallChunk = 16<<10 - 1

// moveBytes moves a stream of bytes and ignores chunk boundaries. Bytes that dst did not accept are put back into src.
// A small chunk is discarded from src before it is sent, so that an echo has nothing at hand and is not held back.
func (c *connection[A, B]) moveBytes(ctx context.Context) error {
	src, dst := c.up.Bytes(), chanio.BytesTo(any(c.dst).(*chanio.Sink[[]byte]))
	for done := ctx.Done(); ; {
		if hasEnded(done) {
			return chanio.Cause(ctx)
		}
		chunk := src.Buffered()
		if len(chunk) == 0 {
			if err := src.Fill(ctx, 1); err != nil {
				return c.up.Fail(ctx, err)
			}
			continue
		}
		if err := c.moveChunk(ctx, src, dst, chunk); err != nil {
			return err
		}
	}
}

// moveChunk sends the first bytes of src.
func (c *connection[A, B]) moveChunk(
	ctx context.Context, src chanio.ByteSource, dst chanio.ByteSink, chunk []byte,
) (err error) {
	if len(chunk) > smallChunk && c.cfg.SendTimeout == 0 { // a write in place may wait and cannot be undone
		if err = dst.End(ctx, nil, chunk); err == nil {
			src.Discard(len(chunk))
		}
		return err
	}
	src.Discard(len(chunk))
	accepted := false
	defer func() {
		if !accepted {
			c.up.Unread(any(src.Clone(chunk)).(A))
		}
	}()
	err = c.endBytes(ctx, dst, chunk)
	accepted = err == nil
	return err
}

// endBytes is dst.End with the SendTimeout.
func (c *connection[A, B]) endBytes(ctx context.Context, dst chanio.ByteSink, chunk []byte) error {
	if c.cfg.SendTimeout == 0 {
		return dst.End(ctx, nil, chunk)
	}
	return c.within(ctx,
		func() (bool, error) { return dst.TryEnd(nil, chunk) },
		func(ctx context.Context) error { return dst.End(ctx, nil, chunk) })
}

// endOf returns the error of sending to a sink that has ended.
func endOf[T any](s *chanio.Sink[T]) error {
	if err := s.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}
