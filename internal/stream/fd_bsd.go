//go:build unix && !linux

package stream

import "syscall"

// writeBoth writes head, or body if there is no head.
func writeBoth(fd int, head, body []byte) (int, error) {
	if len(head) > 0 {
		return syscall.Write(fd, head)
	}
	return syscall.Write(fd, body)
}
