package chanio

import (
	"syscall"
	"unsafe"
)

// arrivedAt returns how many bytes the kernel holds for the reader of a socket, if it can tell.
func arrivedAt(conn syscall.RawConn) (n int, ok bool) {
	if conn == nil {
		return 0, false
	}
	var size int32
	err := conn.Control(func(fd uintptr) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&size)))
		ok = errno == 0
	})
	return int(size), ok && err == nil
}
