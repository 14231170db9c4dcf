//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package socket

import "syscall"

// reusePort lets other sockets that request it bind to the same address.
func reusePort(c syscall.RawConn) error { return setSocket(c, syscall.SO_REUSEPORT) }
