package stream

import (
	"syscall"
	"unsafe"
)

// inQueue returns how many bytes the kernel holds for the reader of a socket, if the kernel reports that.
func inQueue(fd syscall.RawConn) (n int, ok bool) { return bytesIn(fd, syscall.TIOCINQ) }

// outQueue returns how many bytes the peer has not acknowledged, or on a Unix socket not read, if the kernel reports
// that.
func outQueue(fd syscall.RawConn) (n int, ok bool) { return bytesIn(fd, syscall.TIOCOUTQ) }

func bytesIn(conn syscall.RawConn, request uintptr) (n int, ok bool) {
	if conn == nil {
		return 0, false
	}
	var size int32
	err := conn.Control(func(fd uintptr) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(&size)))
		ok = errno == 0
	})
	return int(size), ok && err == nil
}

// writeBoth writes head and body with one system call.
func writeBoth(fd int, head, body []byte) (int, error) {
	if len(head) == 0 {
		return syscall.Write(fd, body)
	}
	if len(body) == 0 {
		return syscall.Write(fd, head)
	}
	vec := [2]syscall.Iovec{{Base: &head[0]}, {Base: &body[0]}}
	vec[0].SetLen(len(head))
	vec[1].SetLen(len(body))
	n, _, errno := syscall.Syscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&vec[0])), 2)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
