package datagram

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

const (
	roomCount = 4 * queueSize // senders wait beyond this many unsent datagrams
	roomBytes = 256 << 10     // or this many bytes
	holdBytes = 60 << 10      // nothing is held back beyond this many bytes
	turnBytes = 16 << 10      // bytes after which SendAll lets other senders in
)

// outlet is the sending half of a Conn. Senders append to one queue. A sender that finds no other goroutine writing
// writes for all, without blocking. If the kernel has no room, a new goroutine writes the rest and ends when the queue
// is empty.
type outlet struct {
	c *Conn
	w writer

	mu       sync.Mutex
	q        *queue        // accepted, to be sent after rest
	rest     *queue        // being written
	writing  bool          // writeLocked is running, or a goroutine is about to call it
	accepted int64         // datagrams accepted so far
	lost     *lostError    // since the last Flush; nil: none
	moved    chan struct{} // closed when anything changes, if a goroutine waits for that

	settled atomic.Int64 // datagrams sent or lost so far; written with mu held
	pending atomic.Bool  // something is held back

	uncorkFunc func() // uncork, made once
}

// init returns the Sink of the outlet.
func (o *outlet) init(c *Conn, w writer) *chanio.Sink[chanio.Packet] {
	o.c, o.w, o.uncorkFunc = c, w, o.uncork
	c.outEnd.Progress = o.settled.Load
	return chanio.NewSink(chanio.SinkHooks[chanio.Packet]{
		Send: o.send, TrySend: o.trySend, SendAll: o.sendAll, Flush: o.flush, Close: o.close, Abort: o.abort,
		Cork: o.cork, End: &c.outEnd, Describe: o.describe,
	})
}

func (o *outlet) send(ctx context.Context, p chanio.Packet) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sendLocked(ctx, &p, false)
}

// sendAll queues values and writes once for all that fit into one queue.
func (o *outlet) sendAll(ctx context.Context, vs []chanio.Packet) (n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	turn := 0
	for n = range vs {
		if err = o.sendLocked(ctx, &vs[n], n+1 < len(vs)); err != nil {
			o.pushLocked()
			return n, err
		}
		if turn += len(vs[n].Data); turn >= turnBytes {
			turn = 0
			o.mu.Unlock()
			o.mu.Lock()
		}
	}
	return len(vs), nil
}

func (o *outlet) trySend(p chanio.Packet) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.hasRoomLocked() {
		o.pushLocked()
	}
	if err := o.c.check(&p); err != nil || !o.hasRoomLocked() {
		return false, err
	}
	err := o.acceptLocked(&p, false)
	return err == nil, err
}

// sendLocked waits for room and accepts p. more means that the caller has more to send at once.
func (o *outlet) sendLocked(ctx context.Context, p *chanio.Packet, more bool) error {
	if err := o.c.check(p); err != nil {
		return err
	}
	for !o.hasRoomLocked() {
		if err := o.awaitLocked(ctx); err != nil {
			return err
		}
	}
	return o.acceptLocked(p, more)
}

// hasRoomLocked reports whether a datagram can be accepted, or must be refused.
func (o *outlet) hasRoomLocked() bool {
	return !o.c.outEnd.Open() ||
		o.q.left()+o.rest.left() < roomCount && o.q.leftBytes()+o.rest.leftBytes() < roomBytes
}

// acceptLocked queues p, and writes unless it is held back.
func (o *outlet) acceptLocked(p *chanio.Packet, more bool) error {
	if !o.c.outEnd.Open() {
		return refusal(&o.c.outEnd)
	}
	o.accepted++
	if o.q == nil {
		o.q = queues.Get()
	}
	o.q.add(p.Addr, p.Data)
	full := o.q.left() >= queueSize || o.q.leftBytes() >= holdBytes
	switch {
	case full || !more && !o.c.rule.HoldsLocked():
		o.pushLocked()
	case !more:
		o.pending.Store(true)
		o.c.rule.ArmLocked(o.settled.Load(), o)
	}
	return nil
}

// refusal is the error of a sender after the end.
func refusal(end *chanio.End) error {
	if err := end.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

// awaitLocked unlocks until something changes or ctx ends. If the caller can change something itself, it does not wait.
func (o *outlet) awaitLocked(ctx context.Context) error {
	before := o.settled.Load()
	o.pushLocked()
	if o.settled.Load() != before || o.c.outEnd.Ended() {
		return nil
	}
	if o.moved == nil {
		o.moved = make(chan struct{})
	}
	moved := o.moved
	o.mu.Unlock()
	defer o.mu.Lock()
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}

// changedLocked wakes all calls of awaitLocked.
func (o *outlet) changedLocked() {
	if o.moved != nil {
		close(o.moved)
		o.moved = nil
	}
}

// flush waits until everything accepted before it has been sent, and returns what was lost since the last flush.
func (o *outlet) flush(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for upTo := o.accepted; !o.c.outEnd.Ended() && o.settled.Load() < upTo; {
		if err := o.awaitLocked(ctx); err != nil {
			return err
		}
	}
	if o.c.outEnd.Ended() {
		return o.c.outEnd.Err()
	}
	if lost := o.lost; lost != nil {
		o.lost = nil
		return lost
	}
	return nil
}

// close sends what was accepted, after the Sink has started to refuse more. No message tells the peer about the end.
func (o *outlet) close() error {
	o.mu.Lock()
	o.changedLocked() // senders that wait for room
	o.mu.Unlock()
	ctx, stop := o.c.outEnd.Lingering()
	defer stop()
	err := o.flush(ctx)
	o.c.outEnd.Set(err)
	if chanio.Resumable(ctx, err) { // the kernel takes nothing any more
		o.abort(err)
	}
	o.c.halfEnded()
	if err == nil {
		err = o.c.noHalfClose()
	}
	return err
}

// abort discards everything and ends both halves. The Sink has set the end.
func (o *outlet) abort(cause error) {
	o.mu.Lock()
	o.discardLocked()
	o.changedLocked()
	o.mu.Unlock()
	o.c.in.end(cause)
}

func (o *outlet) describe() chanio.Description {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.c.describeOut()
	d.Capacity, d.Queued = roomCount, o.q.left()+o.rest.left()
	return d
}
