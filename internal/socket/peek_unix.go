//go:build unix && !aix && !solaris

package socket

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// Peek reports whether a connected stream socket has input. It returns io.EOF if there is none and the peer has ended its
// side, and why the connection failed if it did. It does not block and takes nothing. On Linux an end behind input is an
// error too, for TCP.
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
