package datagram

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
)

const (
	roomCount = 4 * queueSize // datagrams accepted and not yet sent beyond which senders wait
	roomBytes = 256 << 10     // and how large they are together
	holdBytes = 60 << 10      // bytes beyond which nothing is held back
)

// outlet is the sending half of a Conn. Senders append to one queue; whoever finds that nobody is writing writes for
// all, without blocking. What the kernel does not take is written by a goroutine that ends when the queue is empty.
type outlet struct {
	c     *Conn
	w     writer
	delay time.Duration

	mu       sync.Mutex
	q        *queue // accepted, behind rest
	rest     *queue // being written, or to be written first
	writing  bool   // somebody writes; nobody else may
	accepted uint64 // datagrams, ever
	settled  uint64 // sent or lost, ever
	lost     failure
	waits    uint64        // of In, when something was last accepted
	corks    int           // calls of Cork(true)
	armed    bool          // timer is running
	armedAt  uint64        // settled when it was armed
	timer    *time.Timer   // bounds the time that something is held back
	moved    chan struct{} // closed when anything changes, if somebody waits for that
	closing  bool
	err      error // why nothing can be sent any more

	pending atomic.Bool // there is something to let go of
	hurried atomic.Bool // the delay passed: nothing is held back until the next read
}

func (o *outlet) init(c *Conn, w writer, cfg Config) {
	o.c, o.w = c, w
	if o.delay = cfg.Coalesce; o.delay == 0 {
		o.delay = defaultCoalesce
	}
}

// send returns the hook of that name: as a function of its own it is a call shorter than the method.
func (o *outlet) send() func(ctx context.Context, p chanio.Packet) error {
	return func(ctx context.Context, p chanio.Packet) error {
		if err := o.judge(&p); err != nil {
			return err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		for !o.hasRoom() {
			if err := o.await(ctx); err != nil {
				return err
			}
		}
		return o.accept(&p)
	}
}

func (o *outlet) trySend(p chanio.Packet) (bool, error) {
	if err := o.judge(&p); err != nil {
		return false, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.hasRoom() {
		o.push()
	}
	if !o.hasRoom() {
		return false, nil
	}
	err := o.accept(&p)
	return err == nil, err
}

// judge refuses what cannot be sent.
func (o *outlet) judge(p *chanio.Packet) error {
	err := o.c.validAddr(p.Addr)
	if limit := o.c.limit(p.Addr); err == nil && len(p.Data) > limit {
		err = &oversizeError{len(p.Data), limit, "what exceeds a packet of the network is likely to be lost"}
	}
	if err != nil {
		err = o.c.opError("send", p.Addr, err)
	}
	return err
}

// limit is the largest payload that may go to an address.
func (c *Conn) limit(to netip.AddrPort) int {
	if !to.IsValid() {
		to = c.peer
	}
	if c.v4 || to.Addr().Unmap().Is4() {
		return maxPayloadV4
	}
	return MaxPayload
}

// hasRoom reports whether one more may be accepted, or must be refused.
func (o *outlet) hasRoom() bool {
	return o.err != nil || o.closing ||
		o.q.left()+o.rest.left() < roomCount && o.q.leftBytes()+o.rest.leftBytes() < roomBytes
}

func (o *outlet) accept(p *chanio.Packet) error {
	if o.err != nil {
		return o.err
	}
	if o.closing {
		return net.ErrClosed
	}
	o.accepted++
	alone, only := !o.writing && o.q == nil, o.isOnly()
	if alone && (only || !o.holds()) {
		o.sendAlone(p)
		return nil
	}
	o.enqueue(&o.q, p)
	if o.holds() {
		o.pending.Store(true)
		o.arm()
		return nil
	}
	o.push()
	return nil
}

func (o *outlet) enqueue(to **queue, p *chanio.Packet) {
	if *to == nil {
		*to = queues.Get().(*queue)
	}
	(*to).add(p.Addr, p.Data)
}

// await lets go of o.mu until something changes or ctx ends. If it can change something itself it does not wait.
func (o *outlet) await(ctx context.Context) error {
	before := o.settled
	o.push()
	if o.settled != before || o.err != nil {
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
		return context.Cause(ctx)
	}
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
	o.err = err
	o.pending.Store(false)
	o.stopTimer()
	o.change()
}

// flush waits until everything accepted before it has been sent, and returns what was lost since the last time.
func (o *outlet) flush(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for upTo := o.accepted; o.err == nil && o.settled < upTo; {
		if err := o.await(ctx); err != nil {
			return err
		}
	}
	if o.err != nil {
		return o.err
	}
	return o.lost.take()
}

// close drains. There is nothing to tell the peer with.
func (o *outlet) close() error {
	o.mu.Lock()
	o.closing = true
	o.change()
	err := o.drain()
	o.stopTimer()
	if err == nil {
		err = o.lost.take()
	}
	o.mu.Unlock()
	o.c.outEnded()
	if err == nil {
		err = o.c.noHalfClose()
	}
	return err
}

// drain waits until everything has been sent, as long as that makes progress.
func (o *outlet) drain() error {
	for o.err == nil && o.settled < o.accepted {
		before := o.settled
		late := &net.OpError{Op: "close", Net: "udp", Source: o.c.uc.LocalAddr(), Err: os.ErrDeadlineExceeded}
		ctx, cancel := context.WithTimeoutCause(context.Background(), o.c.linger, late)
		err := o.await(ctx)
		cancel()
		if err != nil && o.settled == before && o.err == nil {
			o.mu.Unlock()
			o.c.Out.Abort(err)
			o.mu.Lock()
			return err
		}
	}
	return o.err
}

// abort discards, and ends both halves.
func (o *outlet) abort(cause error) {
	o.mu.Lock()
	o.fail(cause)
	if !o.writing && o.q != nil {
		o.q.recycle()
		o.q = nil
	}
	o.mu.Unlock()
	o.c.in.gate.close(cause)
	o.c.ended(true, true)
}

func (o *outlet) describe() chanio.Description {
	o.mu.Lock()
	defer o.mu.Unlock()
	return chanio.Description{
		Kind: "PacketConn.Out", Name: o.c.local.String(), Capacity: roomCount, Queued: o.q.left() + o.rest.left(),
		Passed: o.c.counts.sent.Load(), Dropped: o.c.counts.failed.Load(),
	}
}

func (o *outlet) corkAll() (uncork func()) {
	o.cork(true)
	return func() { o.cork(false) }
}
