package datagram

import "syscall"

type handle = syscall.Handle // what package syscall calls a socket

const (
	errTruncated       = syscall.Errno(10040) // WSAEMSGSIZE: a datagram exceeds the buffer
	errPortUnreachable = syscall.Errno(10054) // WSAECONNRESET: nothing listened at the address of an earlier datagram
)
