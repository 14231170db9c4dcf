package chanio

import (
	"errors"
	"syscall"
	"time"
)

// A kernel tells of a reset once, to whoever meets it first. If that is a write, what reads get from then on looks like
// the end that a peer makes in good order; if it is a read, writes get EPIPE, which says less. So the halves of a Conn
// tell each other.

// settling is how long the end of In waits for a write under way to say how it went.
const settling = 5 * time.Millisecond

// endOr returns err, the end of what is read, or, if the connection is gone, what the write was told that met that.
func (o *outlet) endOr(err error) error {
	o.mu.Lock()
	if o.writing && o.err == nil {
		moved := o.news()
		o.mu.Unlock()
		giveWay(moved, settling)
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	var errno syscall.Errno
	if errors.As(o.err, &errno) && errno != syscall.EPIPE { // that one follows the peer's end
		return o.err
	}
	return err
}

// causeOf returns err of a write, or what a read was told that met the same earlier.
func (o *outlet) causeOf(err error) error {
	if cause := o.c.Cause(); cause != nil && errors.Is(err, syscall.EPIPE) {
		return cause
	}
	return err
}
