package websocket

import (
	"sync"
	"sync/atomic"
)

// turn says who reads. The lowest bits are one of the states below; the others count the turns of receivers, by which the
// timer finds out whether somebody has received lately.
type turn struct {
	state atomic.Uint64
	heed  atomic.Bool // somebody wants to be told when a receiver lets go

	mu     sync.Mutex
	waiter chan struct{} // closed then
}

const (
	nobody    uint64 = iota
	receiver         // the consumer of In
	inBackend        // a goroutine: it reads ahead, or drops, or waits for the peer's Close
	whoMask   uint64 = 3
	oneTurn   uint64 = 4
)

// begin makes who the reader if there is none.
func (t *turn) begin(who uint64) bool {
	s := t.state.Load()
	return s&whoMask == nobody && t.state.CompareAndSwap(s, s|who)
}

// end makes the reader, a receiver, let go, and reports whether somebody wants to know.
func (t *turn) end() (heed bool) {
	t.state.Store(t.state.Load()&^whoMask + oneTurn)
	return t.heed.Load()
}

// endBackend makes a goroutine that reads let go.
func (t *turn) endBackend() { t.state.Store(t.state.Load() &^ whoMask) }

// present returns who reads, and how many turns there were.
func (t *turn) present() (who, turns uint64) {
	s := t.state.Load()
	return s & whoMask, s &^ whoMask
}

// wait returns a channel that is closed when a receiver lets go.
func (t *turn) wait() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiter == nil {
		t.waiter = make(chan struct{})
	}
	t.heed.Store(true)
	return t.waiter
}

// tell wakes who waits.
func (t *turn) tell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heed.Store(false)
	if t.waiter != nil {
		close(t.waiter)
		t.waiter = nil
	}
}
