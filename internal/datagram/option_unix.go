//go:build unix

package datagram

import (
	"os"
	"syscall"
)

// setSocket sets an option of the socket level.
func setSocket(c syscall.RawConn, name, value int) error {
	return control(c, func(fd uintptr) error {
		return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, name, value))
	})
}

func control(c syscall.RawConn, set func(fd uintptr) error) (err error) {
	if errRaw := c.Control(func(fd uintptr) { err = set(fd) }); errRaw != nil {
		return errRaw
	}
	return err
}
