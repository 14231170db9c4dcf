//go:build unix && !aix && !solaris

package unixfile

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	lockTries = 200
	lockPause = 5 * time.Millisecond
)

// lockDir keeps others that call it from dir until unlock is called. It reports whether it could, which takes
// permission to read dir; it does not wait for more than a second.
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

// removeStale removes the socket at path if it is nobody's.
func removeStale(path string, locked bool) error {
	switch info, err := os.Lstat(path); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil:
		return nil // removed by its owner
	case info.Mode().Type() != fs.ModeSocket:
		return ErrNotSocket
	case !locked || !isStale(path):
		return syscall.EADDRINUSE
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
