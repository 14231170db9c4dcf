package socket

import "syscall"

// ReusePort lets other sockets that ask for it have the same address. Where the system cannot do that, the error is
// errors.ErrUnsupported.
func ReusePort(c syscall.RawConn) error { return reusePort(c) }
