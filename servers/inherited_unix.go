//go:build unix && !aix && !solaris

package servers

import (
	"errors"
	"os"
	"syscall"
)

// claimInherited sees that fd is not passed on to child processes. It returns an error if fd is not open, or was not
// inherited: what this process has opened itself is not passed on either. On OpenBSD the two cannot be told apart.
func claimInherited(fd uintptr) error {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(fd), &st); err != nil {
		return err
	}
	if flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFD, 0); errno == 0 && flags&syscall.FD_CLOEXEC != 0 {
		return errors.New("was not inherited")
	}
	syscall.CloseOnExec(int(fd))
	return nil
}

// checkListening rejects a socket that does not listen, which would otherwise fail only at the first accept.
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

// duplicate returns a second descriptor of a socket. Unlike the File methods of package net, it leaves the socket
// non-blocking. Both descriptors share that mode, and Close could not interrupt a blocking accept in this process.
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
