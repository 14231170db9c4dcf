package datagram

import (
	"os"
	"syscall"
)

// setSocket sets an option of the socket level.
func setSocket(c syscall.RawConn, name, value int) (err error) {
	errRaw := c.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, name, value))
	})
	if errRaw != nil {
		return errRaw
	}
	return err
}
