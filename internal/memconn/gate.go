package memconn

import "sync"

// gate lets goroutines wait for a condition guarded by a mutex. It is a [sync.Cond] made of a channel, so that waiting
// is durable in a synctest bubble. All methods are called with that mutex held.
//
// One wake makes at least one waiter check its condition, and may be spurious. A waiter that leaves wakes the next one,
// so one wake reaches every waiter concerned.
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

// wake never blocks. If a signal is already there, the waiter that takes it checks its condition after this wake, which
// is enough.
func (g *gate) wake() {
	if g.waiters == 0 {
		return
	}
	select {
	case g.signal <- struct{}{}:
	default:
	}
}
