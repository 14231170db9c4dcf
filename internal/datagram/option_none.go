//go:build !unix && !windows

package datagram

import (
	"errors"
	"syscall"
)

func setSocket(syscall.RawConn, int, int) error { return errors.ErrUnsupported }
