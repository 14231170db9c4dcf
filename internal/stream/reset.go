package stream

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/weir-go/weir/internal/eof"
)

// A kernel reports a reset only once, to the first call that meets it. If that is a write, later reads see what looks
// like a clean end; if it is a read, later writes get EPIPE, which is less specific. So each half tells the other.

// settling is how long the end of In waits for the result of a write in progress.
const settling = 5 * time.Millisecond

// explainEOF returns io.EOF, the end of reading, or the error of the write that found the connection gone.
func (s *Stream) explainEOF() error {
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
	if errors.As(err, &errno) && errno != syscall.EPIPE { // EPIPE follows the peer's end
		return err
	}
	return io.EOF
}

// explained returns an error of an operation on the net.Conn for the user: with the connection's addresses and without
// the internal use of the descriptor. It replaces an EPIPE by the more specific error of an earlier read. The result does
// not match io.EOF.
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
	return eof.Unexpected(err)
}

// notShut returns an error of CloseWrite for the user. ENOTCONN means that the connection was gone already, so the cause
// is returned if it is known, or else a reset.
func (s *Stream) notShut(err error) error {
	if !errors.Is(err, syscall.ENOTCONN) {
		return err
	}
	if cause := s.Cause(); cause != nil {
		return cause
	}
	return s.opError("close write", syscall.ECONNRESET)
}
