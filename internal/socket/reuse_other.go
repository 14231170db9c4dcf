//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package socket

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

func reusePort(syscall.RawConn) error {
	return fmt.Errorf("ReusePort: %w on %s: leave it off", errors.ErrUnsupported, runtime.GOOS)
}
