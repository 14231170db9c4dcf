package memconn

import "sync"

// gate is where goroutines wait for a condition that a mutex guards. It is a
// [sync.Cond] made of a channel, so that waiting is durable in a synctest
// bubble. All methods are called with that mutex held.
//
// One wake lets at least one waiter look at its condition, and may be spurious.
// A waiter that leaves wakes the next one, in case there is something left for
// it; so one wake reaches everybody whom it concerns.
type gate struct {
	signal  chan struct{} // one slot, made by the first wait
	waiters int
}

// wait releases mu until a wake, and returns with mu held.
func (g *gate) wait(mu *sync.Mutex) { g.waitFor(mu, nil) }

// waitFor is wait until done is closed. It reports whether there was a wake.
func (g *gate) waitFor(mu *sync.Mutex, done <-chan struct{}) (woken bool) {
	if g.signal == nil {
		g.signal = make(chan struct{}, 1)
	}
	g.waiters++
	mu.Unlock()
	select {
	case <-g.signal:
		woken = true
	case <-done:
	}
	mu.Lock()
	g.waiters--
	return woken
}

// wake never blocks. If a signal is already there, the one that takes it looks at
// the condition later than this wake, which is as good.
func (g *gate) wake() {
	if g.waiters == 0 {
		return
	}
	select {
	case g.signal <- struct{}{}:
	default:
	}
}
