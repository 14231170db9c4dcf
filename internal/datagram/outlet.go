package datagram

import (
	"context"
	"errors"
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

// writer passes datagrams to a socket. It is for one goroutine at a time.
type writer interface {
	// write sends the first datagrams of q that were not sent yet, and returns how many went. An error concerns the one
	// that follows them; errFull, if wait is false, means that nothing more can be sent without waiting.
	write(q *queue, wait bool) (n int, err error)

	// writeOne sends one datagram without waiting.
	writeOne(to netip.AddrPort, data []byte) error
}

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
		err = &oversizeError{len(p.Data), limit}
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
	alone := !o.writing && o.q == nil
	if alone && !o.holds() {
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

// sendAlone sends p, before which nothing is queued, from where it is.
func (o *outlet) sendAlone(p *chanio.Packet) {
	o.writing = true
	o.mu.Unlock()
	err := o.w.writeOne(p.Addr, p.Data)
	o.mu.Lock()
	o.writing = false
	if err == nil {
		o.settled++
		o.c.counts.wrote(1, len(p.Data))
		if o.q != nil || o.moved != nil {
			o.change()
			o.push()
		}
		return
	}
	if o.err == nil {
		o.enqueue(&o.rest, p) // before what was queued meanwhile
		o.writing = true
		o.settle(o.rest, err)
		o.carryOn(err == errFull)
	}
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

// holds reports whether what is in the queue may wait for more.
func (o *outlet) holds() bool {
	return (o.corks > 0 || o.c.in.atHand.Load()) && !o.hurried.Load() && o.delay > 0 && !o.closing &&
		o.q.left() < queueSize && o.q.leftBytes() < holdBytes
}

// arm bounds the time that something is held back.
func (o *outlet) arm() {
	if o.armed || o.q.left() == 0 {
		return
	}
	o.armed, o.armedAt = true, o.settled
	if o.timer == nil {
		o.timer = time.AfterFunc(o.delay, o.hurry)
		return
	}
	o.timer.Reset(o.delay)
}

// hurry sends what has been held back for the whole delay. What came later is given its own delay.
func (o *outlet) hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = false
	if o.q.left() == 0 || o.err != nil {
		return
	}
	if o.armedAt != o.settled {
		o.arm()
		return
	}
	o.hurried.Store(true)
	o.push()
}

// letGo sends what is held back, because a receiver is about to wait.
func (o *outlet) letGo() {
	if o.hurried.Load() {
		o.hurried.Store(false)
	}
	if !o.pending.Load() {
		return
	}
	o.mu.Lock()
	o.push()
	o.mu.Unlock()
}

func (o *outlet) cork(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if on {
		if o.corks++; o.corks == 1 {
			o.hurried.Store(false) // whoever corks has waited, as a receiver would have
		}
		return
	}
	o.corks--
	if o.holds() {
		o.arm()
		return
	}
	o.push()
}

// push writes what is in the queue without blocking, unless somebody is writing, who will then see to it.
func (o *outlet) push() {
	if o.writing || o.q.left() == 0 || o.err != nil {
		return
	}
	o.writing = true
	o.carryOn(false)
}

// carryOn writes without blocking until there is nothing left, or the kernel is full. It owns writing.
func (o *outlet) carryOn(full bool) {
	for !full && o.err == nil && o.advance() {
		full = o.step(false)
	}
	if full && o.err == nil {
		go o.finish()
		return
	}
	o.stopWriting()
}

// finish writes, waiting for the kernel, until there is nothing left to write. It owns writing.
func (o *outlet) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && o.advance() {
		o.step(true)
	}
	o.stopWriting()
}

// advance sees to it that rest is what is to be written next, and reports whether there is anything.
func (o *outlet) advance() bool {
	if o.rest.left() > 0 {
		return true
	}
	if o.rest != nil {
		o.rest.recycle()
	}
	o.rest, o.q = o.q, nil
	o.pending.Store(false)
	return o.rest.left() > 0
}

// step writes once, without o.mu, and notes the result. It reports whether the kernel takes no more for now.
func (o *outlet) step(wait bool) (full bool) {
	q := o.rest
	o.mu.Unlock()
	n, err := o.w.write(q, wait)
	o.mu.Lock()
	o.settled += uint64(n)
	o.c.counts.wrote(n, q.skip(n))
	o.settle(q, err)
	o.change()
	return err == errFull
}

// settle notes the error of a write of which the first datagram of q is next.
func (o *outlet) settle(q *queue, err error) {
	switch {
	case err == nil, err == errFull:
	case errors.Is(err, net.ErrClosed):
		o.fail(err)
	default:
		o.refused(q, err)
	}
}

// refused notes that the kernel did not send the first datagram of q. On a connected socket it may have been told of an
// earlier one instead, so that this one is to be tried again.
func (o *outlet) refused(q *queue, err error) {
	again := q.retried
	if !again {
		o.lose(q.msgs[q.first].addr, err)
	}
	if q.retried = !again && o.c.peer.IsValid() && isReport(err); !q.retried {
		q.skip(1)
		o.settled++
	}
}

// reported notes an error that a read met and that concerns a datagram sent before.
func (o *outlet) reported(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lose(netip.AddrPort{}, err)
}

func (o *outlet) lose(to netip.AddrPort, err error) {
	o.c.counts.failed.Add(1)
	o.lost.add(o.c.opError("send", to, err))
}

func (o *outlet) stopWriting() {
	o.writing = false
	if o.rest != nil {
		o.rest.recycle()
		o.rest = nil
	}
	o.change()
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

func (o *outlet) stopTimer() {
	if o.timer != nil {
		o.timer.Stop()
	}
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
		Kind: "UDPConn.Out", Name: o.c.local.String(), Capacity: roomCount, Queued: o.q.left() + o.rest.left(),
		Passed: o.c.counts.sent.Load(), Dropped: o.c.counts.failed.Load(),
	}
}
