//go:build unix && !aix && !solaris

package socket

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// Peeker looks at the input of a connected stream socket. One goroutine at a time may use it. It exists so that a
// connection that is looked at often allocates only once.
type Peeker struct {
	raw  syscall.RawConn
	look func(fd uintptr)
	one  [1]byte
	n    int
	err  error
}

// NewPeeker returns a Peeker of a socket.
func NewPeeker(sc syscall.Conn) *Peeker {
	p := new(Peeker)
	p.raw, p.err = sc.SyscallConn()
	p.look = func(fd uintptr) {
		p.n, _, p.err = syscall.Recvfrom(int(fd), p.one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if p.n > 0 && peerIsDone(int(fd)) {
			p.n = 0
		}
	}
	return p
}

// Peek reports whether the socket has input. Without input it returns io.EOF if the peer has closed its side, or the
// error of a failed connection. It does not block and consumes nothing. On Linux, for TCP, it also returns an error if
// the peer has closed after the input.
func (p *Peeker) Peek() (pending bool, err error) {
	if p.raw == nil {
		return false, p.err
	}
	failed := p.raw.Control(p.look)
	switch err := p.err; {
	case failed != nil:
		return false, failed
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return false, nil
	case err != nil:
		return false, os.NewSyscallError("recvfrom", err)
	case p.n == 0:
		return false, io.EOF
	}
	return true, nil
}
