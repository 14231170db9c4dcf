//go:build !windows

package datagram

import "syscall"

// What other systems have a word for elsewhere: a datagram that did not fit the buffer is cut without an error, and one
// that found nobody listening is ECONNREFUSED.
const (
	errTruncated       = syscall.Errno(0)
	errPortUnreachable = syscall.ECONNREFUSED
)
