package datagram

import "time"

// holds reports whether what is in the queue may wait for more.
func (o *outlet) holds() bool {
	return (o.corks > 0 || o.c.in.atHand.Load()) && !o.hurried.Load() && o.delay > 0 && !o.closing &&
		o.q.left() < queueSize && o.q.leftBytes() < holdBytes
}

// isOnly reports whether the next datagram is likely to be the only one before a receiver waits again: the first since
// one did, with nothing at hand. To hold an only answer back, as a corked sink asks for, would gain nothing and cost a
// timer. Where more follow, they are held.
func (o *outlet) isOnly() bool {
	waits := o.c.in.waits.Load()
	first := waits != o.waits
	o.waits = waits
	return first && !o.c.in.atHand.Load()
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

func (o *outlet) stopTimer() {
	if o.timer != nil {
		o.timer.Stop()
	}
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
