package coalesce_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/coalesce"
)

// output holds back by the rule, and counts.
type output struct {
	mu      sync.Mutex
	rule    coalesce.Rule
	held    int
	written int64
	writes  int
}

func (o *output) send() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held++
	if o.rule.HoldsLocked() {
		o.rule.ArmLocked(o.written, o)
		return
	}
	o.writeLocked()
}

func (o *output) writeLocked() {
	if o.held == 0 {
		return
	}
	o.rule.DisarmLocked()
	o.written += int64(o.held)
	o.held = 0
	o.writes++
}

func (o *output) DelayPassed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.rule.PassedLocked(o.written, o.held > 0, o) {
		o.writeLocked()
	}
}

func (o *output) cork(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rule.CorkLocked(on)
}

func (o *output) write() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writeLocked()
}

// count returns how many writes there were.
func (o *output) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writes
}

// lose empties the held output as if it had been written, without stopping the timer.
func (o *output) lose(written int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held, o.written = 0, o.written+written
}

func held(t *testing.T, delay time.Duration, f func(o *output)) {
	synctest.Test(t, func(t *testing.T) {
		o := new(output)
		o.rule.Init(delay)
		f(o)
		o.mu.Lock()
		o.rule.StopLocked()
		o.mu.Unlock()
	})
}

func TestNothingIsHeldWithoutReason(t *testing.T) {
	held(t, 0, func(o *output) {
		o.send()
		require.Equal(t, 1, o.count())
	})
}

func TestWhatIsAtHandHoldsForTheDelayAndNoLonger(t *testing.T) {
	for delay, want := range map[time.Duration]time.Duration{0: coalesce.DefaultDelay, time.Second: time.Second} {
		held(t, delay, func(o *output) {
			o.rule.SetAtHand(true)
			o.send()
			o.send()
			require.Zero(t, o.count())
			time.Sleep(want - 1)
			synctest.Wait()
			require.Zero(t, o.count())
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			require.Equal(t, 1, o.count())
			require.EqualValues(t, 2, o.written)
			o.send()
			require.Equal(t, 2, o.count(), "the delay has passed once: nothing is held until something is received")
			o.rule.Received()
			o.send()
			require.Equal(t, 2, o.count())
			o.rule.SetAtHand(false)
			o.write()
			o.send()
			require.Equal(t, 4, o.count())
		})
	}
}

func TestWhatComesLaterHasADelayOfItsOwn(t *testing.T) {
	held(t, time.Second, func(o *output) {
		o.rule.SetAtHand(true)
		o.send()
		time.Sleep(500 * time.Millisecond)
		o.lose(1)
		o.send()
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		require.Zero(t, o.count())
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 1, o.count())
	})
}

func TestATimerThatFindsNothingTurnsNothingOff(t *testing.T) {
	held(t, time.Second, func(o *output) {
		o.rule.SetAtHand(true)
		o.send()
		o.lose(0)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		o.send()
		require.Zero(t, o.count())
		o.write()
		o.send() // the timer was stopped: it is armed again
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, o.count())
	})
}

func TestCorksNestAndTurnHoldingOnAgain(t *testing.T) {
	held(t, time.Second, func(o *output) {
		o.cork(false) // unmatched
		o.cork(true)
		o.cork(true)
		o.send()
		o.cork(false)
		o.send()
		require.Zero(t, o.count())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 1, o.count())
		o.send()
		require.Equal(t, 2, o.count())
		o.cork(false)
		o.cork(true)
		o.send()
		require.Equal(t, 2, o.count(), "a new run")
		o.cork(false)
		o.send()
		require.Equal(t, 3, o.count())
	})
}

func TestANegativeDelayHoldsNothing(t *testing.T) {
	held(t, -1, func(o *output) {
		o.rule.SetAtHand(true)
		o.cork(true)
		o.send()
		require.Equal(t, 1, o.count())
	})
}
