//go:build unix && !aix && !solaris

package servers

import (
	"errors"
	"os"
	"syscall"
)

func closeOnExec(fd uintptr) { syscall.CloseOnExec(int(fd)) }

// checkListening refuses what is not a listening socket, which would otherwise show with the first accept.
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

// duplicate returns a second descriptor of a socket. Unlike the File method of those of the net package, it leaves the
// socket non-blocking, which both descriptors share: an accept of this process would otherwise block where Close does not
// reach it.
func duplicate(conn syscall.Conn, name string) (*os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var second int
	failed := raw.Control(func(fd uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if second, err = syscall.Dup(int(fd)); err == nil {
			syscall.CloseOnExec(second)
		}
	})
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return os.NewFile(uintptr(second), name), nil
}
