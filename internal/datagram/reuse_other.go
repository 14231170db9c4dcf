//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package datagram

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
)

func reusePort(syscall.RawConn) error {
	return fmt.Errorf("ReusePort: %w on %s: leave it off", errors.ErrUnsupported, runtime.GOOS)
}

// joinedOnly does nothing: a socket receives the multicasts that it joined.
func joinedOnly(*net.UDPConn, bool) {}
