package httpd

import (
	"net/http"
	"sync"
	"time"
)

// defaultWriteTimeout is the WriteTimeout of each configuration.
const defaultWriteTimeout = 30 * time.Second

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// writeDeadline is the deadline of the writes to a ResponseWriter that may be interrupted by other goroutines. Once they
// are, the deadline stays in the past. The server uses the ResponseWriter for other requests when the handler returns.
type writeDeadline struct {
	rc *http.ResponseController

	mu   sync.Mutex // held while the deadline is set
	past bool       // writes are interrupted
	left bool       // a Live interrupts no more: the stream has ended
	over bool       // nobody does: the handler is about to return
}

// set sets the deadline of later writes; the zero time means none.
func (d *writeDeadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.past {
		return nil
	}
	return d.rc.SetWriteDeadline(t)
}

// cut interrupts a write in progress and later ones. Its error means that the ResponseWriter has no deadlines.
func (d *writeDeadline) cut() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cutLocked()
}

// cutByLive is cut for a Live, which does not know whether the handler has returned.
func (d *writeDeadline) cutByLive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.left {
		_ = d.cutLocked()
	}
}

func (d *writeDeadline) cutLocked() error {
	if d.over {
		return nil
	}
	d.past = true
	return d.rc.SetWriteDeadline(past)
}

// isCut reports whether writes are interrupted.
func (d *writeDeadline) isCut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.past
}

// leaveLive ends the effect of cutByLive.
func (d *writeDeadline) leaveLive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = true
}

// letGo ends the effect of cut: the handler may return.
func (d *writeDeadline) letGo() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
}
