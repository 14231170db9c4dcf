package memconn

import "time"

// deadline is the time after which one end of a stream waits no more. The
// stream's mutex guards it.
type deadline struct {
	passed bool
	at     time.Time // when the timer is to fire; zero if it is not armed
	timer  *time.Timer
}

// set moves the deadline to t, the zero time for none. A time in the past arms
// no timer. The timer is made once, by the first time in the future, and runs
// s.expire(d).
func (d *deadline) set(t time.Time, s *stream) {
	d.stop()
	if t.IsZero() {
		return
	}
	now := time.Now()
	wait := t.Sub(now)
	if wait <= 0 {
		d.passed = true
		return
	}
	d.at = now.Add(wait) // t on the monotonic clock, which is the timer's
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, func() { s.expire(d) })
	} else {
		d.timer.Reset(wait)
	}
}

// stop clears the deadline. A callback that is in flight finds itself not due.
func (d *deadline) stop() {
	d.passed = false
	d.at = time.Time{}
	if d.timer != nil {
		d.timer.Stop()
	}
}

// due tells a timer's callback whether the deadline that it was armed for is
// still the one that holds, and if so marks it passed. A callback that set has
// overtaken sees a later time or none.
func (d *deadline) due() bool {
	if d.at.IsZero() || time.Now().Before(d.at) {
		return false
	}
	d.at = time.Time{}
	d.passed = true
	return true
}
