//go:build unix && !aix && !solaris

package socket

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// Peek reports whether a connected stream socket has input. Without input it returns io.EOF if the peer has closed its
// side, or the error of a failed connection. It does not block and consumes nothing. On Linux, for TCP, it also returns
// an error if the peer has closed after the input.
func Peek(sc syscall.Conn) (pending bool, err error) {
	raw, err := sc.SyscallConn()
	if err != nil {
		return false, err
	}
	var n int
	failed := raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if n > 0 && peerIsDone(int(fd)) {
			n = 0
		}
	})
	switch {
	case failed != nil:
		return false, failed
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return false, nil
	case err != nil:
		return false, os.NewSyscallError("recvfrom", err)
	case n == 0:
		return false, io.EOF
	}
	return true, nil
}
