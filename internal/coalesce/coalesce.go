// Package coalesce is the rule of when a connection holds back what is sent, so that several values leave in one system
// call.
//
// Something is held back while the input has more at hand that is likely to be answered, or while somebody has corked the
// output, and for no longer than a delay. It leaves when the receiver is about to wait, when there is enough of it, or
// when the delay has passed. A delay that passes turns holding off until something is received again, so that a slow
// handler pays for it once.
package coalesce

import (
	"sync/atomic"
	"time"
)

// DefaultDelay is how long something is held back at most. On an idle machine a timer of 200 µs fires after about 1 ms.
const DefaultDelay = 200 * time.Microsecond

// Rule is the state of the rule for one connection. The methods that end in Locked are called with the lock of the output
// held, the others by the one goroutine that receives.
type Rule struct {
	delay time.Duration // 0 or less: nothing is held back

	atHand  atomic.Bool
	hurried atomic.Bool // the delay has passed, and nothing was received since

	timer *time.Timer // made on demand
	since int64       // progress of the output when the timer was armed
	corks int32
	armed bool // timer is running
}

// Output is what the rule holds back.
type Output interface {
	// DelayPassed is called, without a lock, when something may have been held back for the whole delay. It locks the
	// output and asks PassedLocked.
	DelayPassed()
}

// Init sets the delay: 0 means DefaultDelay, less that nothing is held back.
func (r *Rule) Init(delay time.Duration) {
	if delay == 0 {
		delay = DefaultDelay
	}
	r.delay = delay
}

// SetAtHand says whether the input has something that was received and not yet processed.
func (r *Rule) SetAtHand(on bool) {
	if r.atHand.Load() != on {
		r.atHand.Store(on)
	}
}

// Received says that the receiver has come back, so that holding is worth a try again.
func (r *Rule) Received() {
	if r.hurried.Load() {
		r.hurried.Store(false)
	}
}

// HoldsLocked reports whether what is sent now is held back.
func (r *Rule) HoldsLocked() bool {
	return (r.corks > 0 || r.atHand.Load()) && r.delay > 0 && !r.hurried.Load()
}

// CorkLocked begins or ends a run of values, during which all are held back. Runs nest.
func (r *Rule) CorkLocked(on bool) {
	switch {
	case !on:
		r.corks = max(r.corks-1, 0)
	default:
		if r.corks++; r.corks == 1 {
			r.Received()
		}
	}
}

// ArmLocked bounds the time that something is held back. progress is a number that changes when something leaves.
func (r *Rule) ArmLocked(progress int64, out Output) {
	if r.armed {
		return
	}
	r.armed, r.since = true, progress
	if r.timer == nil {
		r.timer = time.AfterFunc(r.delay, func() { out.DelayPassed() })
		return
	}
	r.timer.Reset(r.delay)
}

// DisarmLocked says that nothing is held back any more. To stop the timer is cheaper than to let it fire.
func (r *Rule) DisarmLocked() {
	if r.armed && r.timer.Stop() {
		r.armed = false
	}
}

// PassedLocked is called by DelayPassed and reports whether what is held back must leave now. waits says that there is
// something. What came later than the delay began has a delay of its own.
func (r *Rule) PassedLocked(progress int64, waits bool, out Output) bool {
	r.armed = false
	if !waits {
		return false
	}
	if progress != r.since {
		r.ArmLocked(progress, out)
		return false
	}
	r.hurried.Store(true)
	return true
}

// StopLocked stops the timer for good.
func (r *Rule) StopLocked() {
	if r.timer != nil {
		r.timer.Stop()
	}
}
