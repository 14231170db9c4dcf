//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package datagram

import (
	"net"
	"syscall"
)

// reusePort lets other sockets that ask for it have the same address.
func reusePort(c syscall.RawConn) error { return setSocket(c, syscall.SO_REUSEPORT, 1) }

// joinedOnly does nothing: a socket receives the multicasts that it joined.
func joinedOnly(*net.UDPConn, bool) {}
