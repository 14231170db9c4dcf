//go:build unix && !aix && !solaris

package servers

import (
	"errors"
	"os"
	"syscall"
)

func closeOnExec(fd uintptr) { syscall.CloseOnExec(int(fd)) }

// checkListening refuses what is no listening socket, which would otherwise show with the first accept.
func checkListening(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	listening := 0
	failed := raw.Control(func(fd uintptr) {
		listening, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if listening == 0 {
		return errors.New("the socket does not listen")
	}
	return nil
}
