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
	info fs.FileInfo // when it was created

	left atomic.Bool // Remove must do nothing, or has been called
}

// Remove removes the file, unless another one has replaced it or Leave was called. It is idempotent. Call it while the
// socket is still in use, because nothing replaces the file before that.
func (f *File) Remove() {
	if f.left.Swap(true) {
		return
	}
	if now, err := os.Lstat(f.path); err == nil && os.SameFile(now, f.info) {
		_ = os.Remove(f.path)
	}
}

// Leave makes Remove do nothing, for a file whose socket other processes use as well.
func (f *File) Leave() { f.left.Store(true) }

// Bind creates a socket of the given kind, such as syscall.SOCK_STREAM, binds it to path and calls use with it. use
// must make the socket accept connections, and must duplicate it to keep it, as net.FileListener does, because Bind
// closes it. A stale file is removed first. Concurrent calls of Bind for the same directory wait.
//
// If mode is not 0, the file has that mode before use is called, and on Linux never more than that.
//
// The path is bound as it is, because of its limit of 107 bytes, and made absolute for Remove, because the working
// directory may change.
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
	file := &File{path: whole, info: info}
	if err != nil {
		file.Remove()
		return nil, err
	}
	return file, nil
}

// open sets the mode of the file and calls use. It returns what the file is, nil if that is unknown.
func open(socket *os.File, whole string, mode fs.FileMode, use func(socket *os.File) error) (fs.FileInfo, error) {
	info, err := os.Lstat(whole)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return nil, ErrNotSocket // another file has replaced it
	}
	if mode != 0 && info.Mode().Perm() != mode {
		if err := chmod(whole, mode); err != nil {
			return info, err
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

// Socket returns a new Unix domain socket of the given kind.
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
