//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package socket

import (
	"os"
	"syscall"
)

// setSocket enables a socket option.
func setSocket(c syscall.RawConn, name int) error {
	var err error
	failed := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, name, 1)
	})
	if failed != nil {
		return failed
	}
	return os.NewSyscallError("setsockopt", err)
}
