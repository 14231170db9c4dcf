package deadline

import "time"

// at is the time given to SetAt, or zero.
type at struct {
	time.Time
	passed *Context // the time as a context; made on demand
}

func (a *at) isSet() bool { return a != nil && !a.IsZero() }

// SetAt bounds calls, including a blocked one, by a time. The zero time means no bound. It sets the socket only if a
// call is inside.
func (d *Deadline) SetAt(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at == nil {
		if t.IsZero() {
			return
		}
		d.at = new(at)
	}
	switch d.at.Time = t; {
	case d.at.passed != nil:
		_ = d.at.passed.SetDeadline(t)
	case t.IsZero():
		d.at = nil // an idle connection does not keep it
	}
	d.armed = d.state.Load()&inside != 0 // a call that found nothing to arm may be waiting
	d.disturbLocked()
}

func (d *Deadline) hasPassedLocked() bool { return d.at.isSet() && !time.Now().Before(d.at.Time) }

// Passed returns a channel that is closed when the time of SetAt has passed, or nil if there is none. SetAt may create
// another channel.
func (d *Deadline) Passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.isSet() {
		return nil
	}
	if d.at.passed == nil {
		d.at.passed = new(Context)
		_ = d.at.passed.SetDeadline(d.at.Time)
	}
	return d.at.passed.Done()
}
