package websocket

import (
	"context"
	"sync/atomic"
)

// turn records who reads. Its lowest bits are one of the states below. The others count the turns of receivers; the
// timer compares them to see whether somebody has received lately. What has Locked in its name wants Conn.mu.
type turn struct {
	state atomic.Uint64
	heed  atomic.Bool // somebody wants to be told when a receiver lets go
	seen  uint32      // the turns at the last look of the timer, which a wrong match only makes read ahead sooner

	free chan struct{}      // made by stopLocked; closed when nobody reads
	stop context.CancelFunc // of the goroutine that reads
}

const (
	nobody    uint64 = iota
	receiver         // the consumer of In
	inBackend        // a goroutine: it reads ahead, or drops
	whoMask   uint64 = 3
	oneTurn   uint64 = 4
)

// begin makes who the reader if there is none.
func (t *turn) begin(who uint64) bool {
	s := t.state.Load()
	return s&whoMask == nobody && t.state.CompareAndSwap(s, s|who)
}

// end ends the turn of a receiver; counts is oneTurn or, for a turn that does not count, 0. It reports whether somebody
// waits for that.
func (t *turn) end(counts uint64) (heed bool) {
	t.state.Store(t.state.Load()&^whoMask + counts)
	return t.heed.Load()
}

// beginBackendLocked makes a goroutine of the connection the reader, until ctx ends, if there is none.
func (t *turn) beginBackendLocked() (ctx context.Context, ok bool) {
	if !t.begin(inBackend) {
		return nil, false
	}
	ctx, t.stop = context.WithCancel(context.Background())
	return ctx, true
}

// endBackendLocked ends the turn of a goroutine of the connection.
func (t *turn) endBackendLocked() {
	t.stop()
	t.stop = nil
	t.state.Store(t.state.Load() &^ whoMask)
	t.tellLocked()
}

// present returns who reads and the number of turns so far.
func (t *turn) present() (who, turns uint64) {
	s := t.state.Load()
	return s & whoMask, s &^ whoMask
}

// seenLocked reports whether there has been no turn since the last look of the timer.
func (t *turn) seenLocked(turns uint64) bool { return uint32(turns) == t.seen }

// stopLocked has a goroutine of the connection that reads let go. It returns a channel that is closed when nobody reads.
func (t *turn) stopLocked() <-chan struct{} {
	if t.stop != nil {
		t.stop()
	}
	if t.free == nil {
		t.free = make(chan struct{})
	}
	free := t.free
	t.heed.Store(true)
	if who, _ := t.present(); who == nobody {
		t.tellLocked()
	}
	return free
}

// tellLocked wakes the goroutines that wait.
func (t *turn) tellLocked() {
	if t.free != nil {
		close(t.free)
		t.free = nil
	}
}
