//go:build unix && !aix && !solaris

package unixfile

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	lockTries = 400
	lockPause = 5 * time.Millisecond
)

// lockDir locks dir against other callers of lockDir until unlock. It reports whether it could, which needs permission
// to read dir; it waits for two seconds at most.
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

// removeStale removes the socket at path if it is not in use.
func removeStale(path string, locked bool) error {
	switch info, err := os.Lstat(path); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil:
		return nil // removed by its owner
	case info.Mode().Type() != fs.ModeSocket:
		return ErrNotSocket
	case !locked:
		return syscall.EADDRINUSE
	default:
		time.Sleep(min(settled-time.Since(info.ModTime()), settled)) // its server may have bound it and not yet listen
	}
	switch err := probe(path); {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrForeign, syscall.EADDRINUSE)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return syscall.EADDRINUSE
	}
	switch err := os.Remove(path); {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrForeign, err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// settled is the age from which a socket file's server is assumed to listen.
const settled = 200 * time.Millisecond

// probe connects to the socket at path. A live one may have a full backlog, or be of another kind; only a refusal
// proves that it is not in use.
func probe(path string) error {
	nc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err == nil {
		_ = nc.Close()
	}
	return err
}
