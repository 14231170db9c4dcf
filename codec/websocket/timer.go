package websocket

import (
	"cmp"
	"os"
	"time"
)

// lookEvery is how long nobody has received before reading ahead begins.
const lookEvery = 250 * time.Millisecond

// tick is how long the timer sleeps while nobody reads.
func (c *Conn) tick() time.Duration {
	d := lookEvery
	if c.cfg.PingAfter > 0 {
		d = min(d, c.cfg.PingAfter, c.cfg.PongWithin/2)
	}
	return max(d, time.Millisecond)
}

// rouse has the timer look soon.
func (c *Conn) rouse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rouseLocked()
}

func (c *Conn) rouseLocked() {
	if !c.ended {
		c.timer.Reset(c.tick())
	}
}

// timed is the timer's function.
func (c *Conn) timed() { c.guard(c.look) }

// look starts reading ahead if nobody receives, and checks that the peer is alive.
func (c *Conn) look() {
	out := c.w.backlog()
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	sleep := c.readersLocked()
	heart, ping, dead := c.heartLocked(out)
	answer := c.bye != nil && c.bye.replies.waits
	if answer {
		heart = c.repliesLocked()
		answer = heart == 0
	}
	if sleep == 0 || heart > 0 && heart < sleep {
		sleep = heart
	}
	if sleep > 0 && dead == nil {
		c.timer.Reset(sleep)
	}
	c.mu.Unlock()
	switch {
	case answer:
		c.startFinish()
	case dead != nil:
		c.Out.Abort(cmp.Or(c.w.end.Err(), dead))
	case ping:
		c.w.tryControl(OpPing, nil) // any answer will do
	}
}

// readersLocked starts reading ahead if nobody has received for a while. It returns when to look again; 0 means when a
// receiver returns.
func (c *Conn) readersLocked() (sleep time.Duration) {
	who, turns := c.who.present()
	if c.full && (who == receiver || !c.who.seenLocked(turns)) { // the peer can be heard again
		c.full = false
		c.hear()
	}
	if who == nobody && c.readsAheadLocked() {
		if !c.who.seenLocked(turns) {
			c.who.seen = uint32(turns)
			return c.tick()
		}
		c.startAheadLocked()
	}
	c.who.heed.Store(true)
	if now, later := c.who.present(); later != turns || now == nobody && c.readsAheadLocked() {
		return c.tick() // the receiver has let go before it could see that
	}
	return 0
}

// probe is a ping of heartLocked.
type probe struct {
	sent time.Duration
	out  backlog // of Out, at that time
}

// heartLocked returns when the peer's silence is to be looked at again, whether to ping it now, and whether it is dead.
// Where Out has no room, a ping is late or cannot be sent. Then a peer that takes what was sent before is alive.
func (c *Conn) heartLocked(out backlog) (sleep time.Duration, ping bool, dead error) {
	now, heard := now(), time.Duration(c.heard.Load())
	if c.full {
		heard = now // nobody reads, so nobody can tell
	}
	if c.bye.hasSaid() && !c.bye.hasHeard() {
		left := max(c.bye.said, heard) + c.cfg.CloseTimeout - now
		if left <= 0 {
			return 0, false, lateError("peer did not answer the Close frame within " + c.cfg.CloseTimeout.String())
		}
		return left, false, nil
	}
	if c.cfg.PingAfter < 0 || c.bye.hasHeard() {
		return 0, false, nil
	}
	if c.probe != nil && heard >= c.probe.sent {
		c.probe = nil
	}
	if c.probe != nil {
		left := c.probe.sent + c.cfg.PongWithin - now
		slow := (out.full || c.probe.out.full) && out.taken != c.probe.out.taken
		if left <= 0 && !slow {
			return 0, false, lateError("peer sent nothing for " + c.cfg.PongWithin.String() + " after a ping")
		}
		if left > 0 {
			return left, false, nil
		}
	} else if left := heard + c.cfg.PingAfter - now; left > 0 {
		return left, false, nil
	}
	c.probe = &probe{now, out}
	return c.cfg.PongWithin, true, nil
}

func lateError(what string) error {
	return &CloseError{Code: Abnormal, Reason: what, Local: true, Err: os.ErrDeadlineExceeded}
}
