//go:build !windows

package datagram

import "syscall"

type handle = int // what package syscall calls a socket

const (
	errTruncated       = syscall.Errno(0) // a datagram that exceeds the buffer is cut without an error
	errPortUnreachable = syscall.ECONNREFUSED
)
