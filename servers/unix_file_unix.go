//go:build unix && !aix && !solaris

package servers

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// unixListener removes its socket file when it is closed.
type unixListener struct {
	*net.UnixListener
	path string
	file fs.FileInfo // as it was made

	left atomic.Bool // the file is nobody's to remove, or removed
}

// Close removes the file while the socket still listens: nobody has reason to put another in its place before that.
func (l *unixListener) Close() error {
	if !l.left.Swap(true) {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.file) {
			_ = os.Remove(l.path)
		}
	}
	return l.UnixListener.Close()
}

// File leaves the socket's file to whoever has the descriptor.
func (l *unixListener) File() (*os.File, error) {
	f, err := l.UnixListener.File()
	if err == nil {
		l.left.Store(true)
	}
	return f, err
}

// listenUnixFile listens at a path. The path is made absolute, for the working directory may have changed at Close, but
// is bound as it is, since it may have 107 bytes only.
func listenUnixFile(path string, mode fs.FileMode) (net.Listener, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	unlock, locked := lockDir(filepath.Dir(whole))
	defer unlock()
	fd, err := bindUnix(path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(path, locked); err != nil {
			return nil, err
		}
		fd, err = bindUnix(path)
	}
	if err != nil {
		return nil, err
	}
	nl, err := openUnix(fd, whole, mode)
	if err != nil {
		_ = os.Remove(whole)
		return nil, err
	}
	return nl, nil
}

const (
	lockTries = 200
	lockPause = 5 * time.Millisecond
)

// lockDir keeps others that call it from dir until unlock is called. It reports whether it could, which takes
// permission to read dir; it does not wait for a second.
func lockDir(dir string) (unlock func(), locked bool) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}, false
	}
	for range lockTries {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		time.Sleep(lockPause)
	}
	return func() { _ = f.Close() }, err == nil
}

// bindUnix returns a socket that is bound to path and refuses whoever connects, for it does not listen yet.
func bindUnix(path string) (fd int, err error) {
	syscall.ForkLock.RLock()
	fd, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		_ = syscall.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// backlog is how many connections the kernel holds at most. It takes the lower of this and its own limit.
const backlog = 1<<16 - 1

// openUnix gives the file its mode, then listens.
func openUnix(fd int, path string, mode fs.FileMode) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() // net.FileListener has its own
	if mode != 0 {
		if err := os.Chmod(path, mode); err != nil {
			return nil, err
		}
	}
	if err := syscall.Listen(fd, backlog); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	nl, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return &unixListener{UnixListener: nl.(*net.UnixListener), path: path, file: info}, nil
}

// removeStale removes the socket at path if nobody listens there.
func removeStale(path string, locked bool) error {
	inUse := os.NewSyscallError("bind", syscall.EADDRINUSE)
	switch info, err := os.Lstat(path); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil:
		return nil // removed by its owner
	case info.Mode().Type() != fs.ModeSocket:
		return errNotSocket
	case !locked || !isStale(path):
		return inUse
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// isStale reports whether the socket at path belongs to nobody. A live one may have a full backlog, or be of another
// kind; only a refusal is proof.
func isStale(path string) bool {
	nc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err == nil {
		_ = nc.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
