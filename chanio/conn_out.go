package chanio

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/stream"
)

const (
	roomSize   = 64 << 10 // bytes accepted and not yet written beyond which senders wait
	holdSize   = 16 << 10 // bytes beyond which nothing is held back
	inPlaceMin = 16 << 10 // the smallest body that is written without being copied
)

// outlet is the sending half of a Conn: a combining writer. Senders append to one buffer; whoever finds that nobody is
// writing writes for all, without blocking. What the kernel does not take is finished by a goroutine that ends when the
// buffer is empty. So only want of room makes anybody wait.
type outlet struct {
	c            *Conn
	gate         gate // for writes in place, which the sender's ctx interrupts
	raw          rawWriter
	direct       directWriter // nil if writes may block
	delay        time.Duration
	writeTimeout time.Duration

	end      End
	mu       sync.Mutex
	blk      *block
	buf      []byte // accepted, behind rest
	rest     []byte // being written, or to be written first
	accepted int64  // bytes, ever
	timer    *time.Timer
	armedAt  int64         // written when it was armed
	moved    chan struct{} // closed when anything changes, if somebody waits for that
	err      error         // why nothing can be sent any more
	corks    int32         // calls of Cork(true)
	answered uint32        // what had been received when something was last sent
	armed    bool          // timer is running
	writing  bool          // somebody writes; nobody else may
	blocked  bool          // by a write that may block
	probing  bool          // that write is to tell how far it is
	closing  bool

	written atomic.Int64 // bytes, ever; changed under mu
	pending atomic.Bool  // there are bytes to let go of
	hurried atomic.Bool  // the delay passed: nothing is held back until something is received
}

func (o *outlet) init(c *Conn, cfg *ConnConfig) {
	o.c = c
	o.gate.nc, o.gate.writes = c.nc, true
	o.writeTimeout = max(cfg.WriteTimeout, 0)
	o.delay = cfg.Coalesce
	if o.delay == 0 {
		o.delay = defaultCoalesce
	}
	if o.raw.init(c) {
		o.direct = &o.raw
	} else if w, ok := c.nc.(tryWriter); ok {
		o.direct = oneByOne{w}
	}
}

func (o *outlet) send(ctx context.Context, p []byte) error {
	if len(p) < inPlaceMin {
		return o.End(ctx, p, nil)
	}
	return o.End(ctx, nil, p)
}

func (o *outlet) trySend(p []byte) (bool, error) { return o.TryEnd(p, nil) }

func (o *outlet) Begin() []byte { return make([]byte, 0, 512) }

func (o *outlet) End(ctx context.Context, scratch, body []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.makeRoom(ctx, true); err != nil {
		return err
	}
	o.take(ctx, scratch, body)
	return nil
}

func (o *outlet) TryEnd(scratch, body []byte) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ok, err := o.makeRoom(expired, false); !ok {
		return false, err
	}
	o.take(expired, append(scratch[:len(scratch):len(scratch)], body...), nil)
	return true, nil
}

// makeRoom waits, unless it is not to, until there is room for a value.
func (o *outlet) makeRoom(ctx context.Context, wait bool) (ok bool, err error) {
	for o.err == nil && !o.closing && len(o.rest)+len(o.buf) >= roomSize {
		if !wait {
			return false, nil
		}
		if err := o.await(ctx); err != nil {
			return false, err
		}
	}
	err = o.refusal()
	return err == nil, err
}

func (o *outlet) take(ctx context.Context, scratch, body []byte) {
	if len(scratch)+len(body) == 0 {
		return
	}
	o.ensureBlock()
	o.accepted += int64(len(scratch) + len(body))
	o.buf = append(o.buf, scratch...)
	switch {
	case o.direct != nil && !o.writing && len(body) >= inPlaceMin:
		o.writeInPlace(ctx, body)
	case len(body) > 0:
		o.buf = append(o.buf, body...)
		fallthrough
	default:
		o.offer()
	}
}

// write accepts p whether or not there is room, for [tlsConn].
func (o *outlet) write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	o.ensureBlock()
	o.buf = append(o.buf, p...)
	o.accepted += int64(len(p))
	o.push()
	return len(p), nil
}

func (o *outlet) hasRoom() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil || len(o.rest)+len(o.buf) < roomSize
}

func (o *outlet) waitForRoom(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && len(o.rest)+len(o.buf) >= roomSize {
		if err := o.await(ctx); err != nil {
			return err
		}
	}
	return o.err
}

func (o *outlet) ensureBlock() {
	if o.blk == nil {
		o.blk = borrow(0)
		o.buf = o.blk.buf[:0]
	}
}

func (o *outlet) refusal() error {
	if o.err != nil {
		return o.err
	}
	if o.closing {
		return net.ErrClosed
	}
	return nil
}

// await lets go of o.mu until something changes or ctx ends. If it can change something itself it does not wait.
func (o *outlet) await(ctx context.Context) error {
	before := o.written.Load()
	o.push()
	if o.written.Load() != before || o.err != nil {
		return nil
	}
	moved := o.news()
	o.mu.Unlock()
	defer o.mu.Lock()
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return Cause(ctx)
	}
}

// news returns a channel that is closed when anything changes.
func (o *outlet) news() <-chan struct{} {
	if o.moved == nil {
		o.moved = make(chan struct{})
	}
	return o.moved
}

// change wakes those who await.
func (o *outlet) change() {
	if o.moved != nil {
		close(o.moved)
		o.moved = nil
	}
}

// fail ends the sending half because of err.
func (o *outlet) fail(err error) {
	if o.err != nil {
		return
	}
	err = o.causeOf(err)
	o.err = err
	o.rest, o.buf = nil, nil
	o.pending.Store(false)
	o.change()
	o.c.failed(err)
	o.end.Set(err)
	o.c.outEnded(true)
}

// flusher is a net.Conn with a buffer of its own.
type flusher interface {
	Flush(ctx context.Context) error
}

// flush waits until everything accepted before it has been written, and has left the net.Conn as well.
func (o *outlet) flush(ctx context.Context) error {
	if err := o.flushHere(ctx); err != nil {
		return err
	}
	if below, ok := o.c.nc.(flusher); ok {
		return below.Flush(ctx)
	}
	return nil
}

func (o *outlet) flushHere(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for upTo := o.accepted; o.err == nil && o.written.Load() < upTo; {
		if err := o.await(ctx); err != nil {
			return err
		}
	}
	return o.err
}

// close drains, then ends the stream to the peer.
func (o *outlet) close() error {
	o.mu.Lock()
	o.closing = true
	o.change()
	err := o.drain()
	if o.timer != nil {
		o.timer.Stop()
	}
	o.mu.Unlock()
	if err != nil {
		return err
	}
	err = o.c.closeWrite()
	o.c.outEnded(err != nil && !errors.Is(err, errors.ErrUnsupported))
	return err
}

// drain waits until everything has been written, as long as that makes progress.
func (o *outlet) drain() error {
	o.push()
	o.probe()
	for o.err == nil && o.written.Load() < o.accepted {
		before := o.written.Load()
		if o.awaitWithin(o.c.linger) || o.written.Load() != before || o.err != nil {
			continue
		}
		if o.probe(); o.written.Load() == before && o.err == nil {
			err := &net.OpError{Op: "close", Err: &stream.Timeout{Text: "peer took nothing for " + o.c.linger.String()}}
			o.mu.Unlock()
			o.c.Out.Abort(err)
			o.mu.Lock()
			return err
		}
	}
	return o.err
}

// awaitWithin is await for no longer than d. It reports whether something has changed.
func (o *outlet) awaitWithin(d time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return o.await(ctx) == nil
}

// probe has a write that is under way return, so that o.written tells how much the peer has taken so far.
func (o *outlet) probe() {
	if !o.blocked {
		return
	}
	o.probing = true
	if o.c.nc.SetWriteDeadline(longAgo) == nil {
		o.awaitWithin(o.c.linger)
	}
}

// probed returns err of a write that may have been interrupted by probe, without that.
func (o *outlet) probed(err error) error {
	if !o.probing {
		return err
	}
	o.probing = false
	if reset := o.c.nc.SetWriteDeadline(time.Time{}); reset != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return reset
	}
	return err
}

// abort discards and releases.
func (o *outlet) abort(cause error) {
	o.mu.Lock()
	if o.err == nil {
		o.err = cause
		o.rest, o.buf = nil, nil
		o.pending.Store(false)
	}
	if o.timer != nil {
		o.timer.Stop()
	}
	o.change()
	o.mu.Unlock()
	o.c.abort(cause)
}
