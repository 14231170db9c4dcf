package stream

import (
	"errors"
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
	if w.busy && w.err == nil {
		moved := w.newsLocked()
		w.mu.Unlock()
		t := time.NewTimer(settling)
		select {
		case <-moved:
		case <-t.C:
		}
		t.Stop()
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	var errno syscall.Errno
	if errors.As(w.err, &errno) && errno != syscall.EPIPE { // that one follows the peer's end
		return w.err
	}
	return eof
}

// explained returns err of a write, or what a read was told that met the same earlier.
func (s *Stream) explained(err error) error {
	if cause := s.Cause(); cause != nil && errors.Is(err, syscall.EPIPE) {
		return cause
	}
	return err
}
