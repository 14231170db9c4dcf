package websocket

import "sync/atomic"

// turn records who reads. Its lowest bits are one of the states below. The others count the turns of receivers; the
// timer compares them to see whether somebody has received lately.
type turn struct {
	state atomic.Uint64
	heed  atomic.Bool // somebody wants to be told when a receiver lets go

	waiter chan struct{} // closed then; changed with Conn.mu held
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

// end ends the turn of a receiver. It reports whether somebody waits for that.
func (t *turn) end() (heed bool) {
	t.state.Store(t.state.Load()&^whoMask + oneTurn)
	return t.heed.Load()
}

// endBackend ends the turn of a goroutine of the connection.
func (t *turn) endBackend() { t.state.Store(t.state.Load() &^ whoMask) }

// present returns who reads and the number of turns so far.
func (t *turn) present() (who, turns uint64) {
	s := t.state.Load()
	return s & whoMask, s &^ whoMask
}

// waitLocked returns a channel that is closed when a receiver ends its turn.
func (t *turn) waitLocked() <-chan struct{} {
	if t.waiter == nil {
		t.waiter = make(chan struct{})
	}
	t.heed.Store(true)
	return t.waiter
}

// tellLocked wakes the goroutines that wait.
func (t *turn) tellLocked() {
	t.heed.Store(false)
	if t.waiter != nil {
		close(t.waiter)
		t.waiter = nil
	}
}
