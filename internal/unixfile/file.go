//go:build unix && !aix && !solaris

package unixfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// File is the file of a socket.
type File struct {
	path string
	info fs.FileInfo // as it was made

	left atomic.Bool // the file is nobody's to remove, or removed
}

// Remove removes the file, unless another one has taken its place, or it was left. It is idempotent. The socket should
// still be in use: nobody has reason to put another in its place before that.
func (f *File) Remove() {
	if f.left.Swap(true) {
		return
	}
	if now, err := os.Lstat(f.path); err == nil && os.SameFile(now, f.info) {
		_ = os.Remove(f.path)
	}
}

// Leave leaves the file to others that have the socket: Remove does nothing from now on.
func (f *File) Leave() { f.left.Store(true) }

// Bind makes a socket of a kind, such as syscall.SOCK_STREAM, binds it to path, and hands it to use, which has to make
// it one that refuses nobody who connects, and must not keep it: Bind closes it, so use duplicates it, as
// net.FileListener does. A stale file is removed first. Others that call Bind for the same directory wait meanwhile.
//
// The file is given mode, if that is not 0, before use is called. On Linux it never has more than that.
//
// The path is made absolute for Remove, for the working directory may have changed by then, but is bound as it is,
// since it may have 107 bytes only.
func Bind(path string, kind int, mode fs.FileMode, use func(socket *os.File) error) (*File, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	unlock, locked := lockDir(filepath.Dir(whole))
	defer unlock()
	socket, err := bind(path, kind, mode, locked)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	info, err := open(socket, whole, mode, use)
	if err != nil {
		_ = os.Remove(whole)
		return nil, err
	}
	return &File{path: whole, info: info}, nil
}

// open gives the file its mode, then hands the socket on.
func open(socket *os.File, whole string, mode fs.FileMode, use func(socket *os.File) error) (fs.FileInfo, error) {
	info, err := os.Lstat(whole)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return nil, ErrNotSocket // somebody has put something in its place
	}
	if mode != 0 && info.Mode().Perm() != mode {
		if err := chmod(whole, mode); err != nil {
			return nil, err
		}
		if info, err = os.Lstat(whole); err != nil {
			return nil, err
		}
	}
	return info, use(socket)
}

// bind returns a socket that is bound to path.
func bind(path string, kind int, mode fs.FileMode, locked bool) (*os.File, error) {
	socket, err := Socket(kind)
	if err != nil {
		return nil, err
	}
	fd := int(socket.Fd())
	if mode != 0 {
		_ = syscall.Fchmod(fd, uint32(mode)) // on Linux the file will have no more than this
	}
	addr := &syscall.SockaddrUnix{Name: path}
	if err = syscall.Bind(fd, addr); err == syscall.EADDRINUSE {
		if err = removeStale(path, locked); err == nil {
			err = syscall.Bind(fd, addr)
		}
	}
	if err != nil {
		_ = socket.Close()
		return nil, os.NewSyscallError("bind", err)
	}
	return socket, nil
}

// Socket returns a new Unix domain socket of a kind.
func Socket(kind int) (*os.File, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_UNIX, kind, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return os.NewFile(uintptr(fd), "unix"), nil
}
