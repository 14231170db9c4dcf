package datagram

import (
	"errors"
	"net/netip"
)

// writer writes to a socket. It is for one goroutine at a time.
type writer interface {
	// write sends the first datagrams of q, which is not empty, and returns how many it has sent. An error concerns the
	// one after them. If wait is false, errFull means that the kernel has no room.
	write(q *queue, wait bool) (n int, err error)
}

// errFull means that the kernel has no room now.
var errFull = errors.New("datagram: the socket's buffer is full")

// writeLocked sends datagrams. Only the goroutine that has set writing calls it; it unlocks while it writes. If the
// kernel has no room and wait is false, a new goroutine sends the rest.
func (o *outlet) writeLocked(wait bool) {
	for o.nextLocked() {
		q := o.rest
		o.mu.Unlock()
		n, err := o.w.write(q, wait)
		o.mu.Lock()
		o.wroteLocked(q, n, err)
		if err == errFull && !o.c.outEnd.Ended() {
			go func() { // ends when the queue is empty, or the socket is closed
				o.mu.Lock()
				defer o.mu.Unlock()
				o.writeLocked(true)
			}()
			return
		}
	}
	o.writing = false
	o.changedLocked()
}

// nextLocked sets rest to the datagrams to write next, and reports whether there are any.
func (o *outlet) nextLocked() bool {
	if o.c.outEnd.Ended() {
		o.writing = false
		o.discardLocked()
		return false
	}
	if o.rest.left() > 0 {
		return true
	}
	o.rest.recycle()
	o.rest, o.q = o.q, nil
	o.releasedLocked()
	return o.rest != nil
}

// discardLocked drops what is queued. If a goroutine is writing, that one does so later.
func (o *outlet) discardLocked() {
	if o.writing {
		return
	}
	o.rest.recycle()
	o.q.recycle()
	o.rest, o.q = nil, nil
	o.releasedLocked()
}

// releasedLocked records that nothing is held back any more.
func (o *outlet) releasedLocked() {
	if o.pending.Load() {
		o.pending.Store(false)
		o.c.rule.DisarmLocked()
	}
}

// wroteLocked records the result of a write.
func (o *outlet) wroteLocked(q *queue, n int, err error) {
	o.c.counts.wrote(n, q.skip(n))
	o.settled.Add(int64(n))
	if err != nil && err != errFull && !o.c.outEnd.Ended() {
		o.refusedLocked(q, err)
	}
	o.changedLocked()
}

// refusedLocked records that the kernel did not send the first datagram of q. On a connected socket the error may
// concern an earlier one, so this one is tried again.
func (o *outlet) refusedLocked(q *queue, err error) {
	again := q.retried
	if !again {
		o.loseLocked(q.msgs[q.first].addr, err)
	}
	if q.retried = !again && o.c.peer.IsValid() && isReport(err); !q.retried {
		q.skip(1)
		o.settled.Add(1)
	}
}

// loseLocked records that a datagram was not sent. An error without an address comes from a read.
func (o *outlet) loseLocked(to netip.AddrPort, err error) {
	o.c.counts.failed.Add(1)
	if o.lost == nil {
		o.lost = &lostError{first: o.c.sendError(to, err)}
	}
	o.lost.count++
}

// pushLocked writes what is queued. If a goroutine is writing, that one does so later.
func (o *outlet) pushLocked() {
	if !o.writing && o.q != nil {
		o.writing = true
		o.writeLocked(false)
	}
}

// flushHeld writes what is held back, because a receiver is about to wait.
func (o *outlet) flushHeld() {
	if o.pending.Load() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.pushLocked()
	}
}

// DelayPassed implements [coalesce.Output].
func (o *outlet) DelayPassed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.c.rule.PassedLocked(o.settled.Load(), o.q != nil, o) {
		o.pushLocked()
	}
}

func (o *outlet) cork() (uncork func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.c.rule.CorkLocked(true)
	return o.uncorkFunc
}

func (o *outlet) uncork() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.c.rule.CorkLocked(false)
	if !o.c.rule.HoldsLocked() {
		o.pushLocked()
	}
}
