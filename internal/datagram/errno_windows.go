package datagram

import "syscall"

// What Windows calls a datagram that did not fit the buffer, and one that was sent before and found nobody listening.
const (
	errTruncated       = syscall.Errno(10040) // WSAEMSGSIZE
	errPortUnreachable = syscall.Errno(10054) // WSAECONNRESET
)
