// Package coalesce decides when a connection holds back output, so that several values leave in one system call.
//
// Output is held back while there is more input that is likely to be answered, or while the output is corked, but no
// longer than a delay. It leaves when the receiver is about to wait, when enough has accumulated, or when the delay has
// passed. After the delay has passed, output is not held back until something is received again, so a slow handler is
// delayed only once.
package coalesce

import (
	"sync/atomic"
	"time"
)

// DefaultDelay is the longest time that output is held back. On an idle machine a timer of 200 µs fires after about 1
// ms.
const DefaultDelay = 200 * time.Microsecond

// Rule is the state of the decision for one connection. The methods whose names end in Locked are called with the lock
// of the output held, the others by the goroutine that receives.
type Rule struct {
	delay time.Duration // 0 or less: nothing is held back

	atHand  atomic.Bool
	hurried atomic.Bool // the delay has passed, and nothing was received since

	timer *time.Timer // made on demand
	since int64       // progress of the output when the timer was armed
	corks int32
	armed bool // timer is running
}

// Output is the output that a Rule controls.
type Output interface {
	// DelayPassed is called, without a lock, when output may have been held back for the whole delay. It must lock the
	// output and call PassedLocked.
	DelayPassed()
}

// Init sets the delay. 0 means DefaultDelay; with a negative delay nothing is held back.
func (r *Rule) Init(delay time.Duration) {
	if delay == 0 {
		delay = DefaultDelay
	}
	r.delay = delay
}

// SetAtHand records whether there is input that has been received and not yet processed.
func (r *Rule) SetAtHand(on bool) {
	if r.atHand.Load() != on {
		r.atHand.Store(on)
	}
}

// AtHand returns what SetAtHand has recorded. Any goroutine may call it.
func (r *Rule) AtHand() bool { return r.atHand.Load() }

// Received records that the receiver has returned for more, so output may be held back again.
func (r *Rule) Received() {
	if r.hurried.Load() {
		r.hurried.Store(false)
	}
}

// HoldsLocked reports whether output is held back now.
func (r *Rule) HoldsLocked() bool {
	return (r.corks > 0 || r.atHand.Load()) && r.delay > 0 && !r.hurried.Load()
}

// DelaysLocked reports whether output is held back now and its delay is running.
func (r *Rule) DelaysLocked() bool { return r.armed && r.HoldsLocked() }

// CorkLocked starts or ends a run of values that are held back. Runs nest.
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

// ArmLocked starts the delay of held output. progress is a number that changes when output leaves.
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

// DisarmLocked records that nothing is held back any more. Stopping the timer is cheaper than letting it fire.
func (r *Rule) DisarmLocked() {
	if r.armed && r.timer.Stop() {
		r.armed = false
	}
}

// PassedLocked is called by DelayPassed and reports whether held output must leave now. waits reports whether there is
// any. Output that came after the start of the delay has its own delay.
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
