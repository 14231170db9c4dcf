//go:build !linux

package chanio

import "syscall"

// arrivedAt returns how many bytes the kernel holds for the reader of a socket, if it can tell.
func arrivedAt(syscall.RawConn) (n int, ok bool) { return 0, false }
