package stream

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// A kernel tells of a reset once, to the call that meets it first. If that is a write, what reads get from then on looks like
// the end that a peer makes in good order; if it is a read, writes get EPIPE, which says less. So the halves tell each
// other.

// settling is how long the end of In waits for a write under way to say how it went.
const settling = 5 * time.Millisecond

// explainEOF returns eof, the end of what is read, or, if the connection is gone, what the write was told that met that.
func (s *Stream) explainEOF(eof error) error {
	w := &s.Out
	w.mu.Lock()
	var moved <-chan struct{}
	if w.busy && !w.end.Ended() {
		moved = w.news.next()
	}
	w.mu.Unlock()
	if moved != nil {
		t := time.NewTimer(settling)
		defer t.Stop()
		select {
		case <-moved:
		case <-t.C:
		}
	}
	var errno syscall.Errno
	err := w.end.failure()
	if errors.As(err, &errno) && errno != syscall.EPIPE { // that one follows the peer's end
		return err
	}
	return eof
}

// explained returns an error of an operation on the net.Conn as the user is to see it: with the connection, without the
// way in which the descriptor was used, and instead of an EPIPE what a read was told that met the same earlier.
func (s *Stream) explained(op string, err error) error {
	var oe *net.OpError
	var errno syscall.Errno
	switch {
	case !errors.As(err, &oe):
		if errors.As(err, &errno) {
			err = s.opError(op, err)
		}
	case s.fd != nil && (oe.Op == "raw-read" || oe.Op == "raw-write"):
		err = s.opError(op, oe.Err)
	}
	if cause := s.Cause(); cause != nil && errors.Is(err, syscall.EPIPE) {
		return cause
	}
	return err
}
