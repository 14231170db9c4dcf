package unixfile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// chmod sets the mode of the file at path. It does not follow a link that may have replaced the file: it opens the file
// itself and changes the mode through the descriptor.
func chmod(path string, mode fs.FileMode) error {
	const openPath = 0x200000 // O_PATH
	fd, err := syscall.Open(path, openPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = syscall.Close(fd) }()
	var is syscall.Stat_t
	if err := syscall.Fstat(fd, &is); err != nil {
		return &fs.PathError{Op: "fstat", Path: path, Err: err}
	}
	if is.Mode&syscall.S_IFMT != syscall.S_IFSOCK {
		return ErrNotSocket
	}
	return os.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), mode)
}
