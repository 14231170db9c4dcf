package memconn

import "time"

// deadline is the time after which one end of a stream no longer waits. The stream's mutex guards it.
type deadline struct {
	passed bool
	at     time.Time // when the timer fires; zero if it is not armed
	timer  *time.Timer
}

// set moves the deadline to t; the zero time means none. A time in the past arms no timer. The first time in the future
// creates the timer, which runs s.expire(d).
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

// stop clears the deadline. A callback in flight then finds that it is not due.
func (d *deadline) stop() {
	d.passed = false
	d.at = time.Time{}
	if d.timer != nil {
		d.timer.Stop()
	}
}

// due reports whether the deadline that a timer's callback was armed for is still in force, and if so marks it as
// passed. A callback that comes after set finds a later time or none.
func (d *deadline) due() bool {
	if d.at.IsZero() || time.Now().Before(d.at) {
		return false
	}
	d.at = time.Time{}
	d.passed = true
	return true
}
