package socket

import "syscall"

// ReusePort lets other sockets that request it bind to the same address. If the system cannot do that, the error is
// errors.ErrUnsupported.
func ReusePort(c syscall.RawConn) error { return reusePort(c) }
