package chanio

import "time"

// What is sent is held back for a moment, to leave with more, while the input has the next request at hand or somebody
// has corked the sink.

// offer sends what is in the buffer, or holds it back for a moment.
func (o *outlet) offer() {
	holds := o.holds()
	if holds && o.armed && o.pending.Load() {
		return // it waits with what is held back already
	}
	if !o.pending.Load() {
		o.pending.Store(true)
	}
	if o.isOnly() || !holds {
		o.push()
	} else {
		o.arm()
	}
}

// isOnly reports whether what is sent is likely to be the only thing before a receiver waits again: nothing is at hand,
// and something has been received since the last time. To hold an only answer back, as a corked sink asks for, would
// gain nothing and cost a timer. Where more follow, they are held.
func (o *outlet) isOnly() bool {
	received := uint32(o.c.in.total.Load())
	first := received != o.answered
	o.answered = received
	return first && !o.c.in.atHand.Load()
}

// holds reports whether what is in the buffer may wait for more.
func (o *outlet) holds() bool {
	return len(o.buf) < holdSize && (o.corks > 0 || o.c.in.atHand.Load()) && !o.hurried.Load() && o.delay > 0 && !o.closing
}

// arm bounds the time that something is held back.
func (o *outlet) arm() {
	if o.armed || len(o.buf) == 0 {
		return
	}
	o.armed, o.armedAt = true, o.written.Load()
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
	if len(o.buf) == 0 || o.err != nil {
		return
	}
	if o.armedAt != o.written.Load() {
		o.arm()
		return
	}
	o.hurried.Store(true)
	o.push()
}

// holdAgain notes that a receiver has come back, or that a run of values begins.
func (o *outlet) holdAgain() {
	if o.hurried.Load() {
		o.hurried.Store(false)
	}
}

// letGo sends what is held back, because a receiver is about to wait. Where writes block it gives the goroutine that
// writes a moment, so that a reply leaves before the wait for the next request begins.
func (o *outlet) letGo() {
	o.holdAgain()
	if !o.pending.Load() {
		return
	}
	o.mu.Lock()
	started := !o.writing
	o.push()
	if o.direct == nil && started && o.writing {
		moved := o.news()
		o.mu.Unlock()
		giveWay(moved, time.Millisecond)
		return
	}
	o.mu.Unlock()
}

// giveWay waits a moment for moved.
func giveWay(moved <-chan struct{}, moment time.Duration) {
	t := time.NewTimer(moment)
	defer t.Stop()
	select {
	case <-moved:
	case <-t.C:
	}
}

func (o *outlet) cork(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if on {
		if o.corks++; o.corks == 1 {
			o.holdAgain()
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

func (o *outlet) corkAll() (uncork func()) {
	o.cork(true)
	return func() { o.cork(false) }
}
