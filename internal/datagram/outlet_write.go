package datagram

import (
	"errors"
	"net"
	"net/netip"

	"github.com/weir-go/weir/chanio"
)

// writer passes datagrams to a socket. It is for one goroutine at a time.
type writer interface {
	// write sends the first datagrams of q that were not sent yet, and returns how many went. An error concerns the one
	// that follows them; errFull, if wait is false, means that nothing more can be sent without waiting.
	write(q *queue, wait bool) (n int, err error)

	// writeOne sends one datagram without waiting.
	writeOne(to netip.AddrPort, data []byte) error
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

func (o *outlet) stopWriting() {
	o.writing = false
	if o.rest != nil {
		o.rest.recycle()
		o.rest = nil
	}
	o.change()
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
