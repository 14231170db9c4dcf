package chanio

import (
	"syscall"
	"unsafe"
)

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
