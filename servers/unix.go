package servers

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/weir-go/weir/internal/unixfile"
)

// ListenUnix listens on a Unix domain socket at a path or, on Linux, at an abstract name, which starts with "@" and has
// no file. It is otherwise like [ListenTCP]. cfg may be nil.
//
// A stale socket file is removed first. A socket in use, or a file of another kind, is left alone. To test whether a
// socket is in use, ListenUnix connects to it, which a live server sees as a connection that ends at once. Processes of
// this library that start at the same time take turns with a lock on the directory, so that one listens and the others
// fail; if the directory cannot be locked, nothing is removed. The file is removed when the Listener stops accepting,
// unless another file has replaced it or [Listener.File] has been called.
//
// Unix sockets have no reset. To the peer, an abort looks like the end of the stream, unless data from the peer was
// left unread.
//
// The error wraps a [*net.OpError]. For common mistakes its text suggests a remedy.
func ListenUnix(path string, cfg *Config) (*Listener, error) {
	c, err := cfg.complete()
	switch {
	case err != nil:
		return nil, err
	case c.Control != nil || c.ReusePort:
		return nil, errors.New("servers: ListenUnix: Control and ReusePort are for sockets of TCP")
	}
	l, err := newListener(c)
	if err != nil {
		return nil, err
	}
	nl, err := listenUnix(path, c.Mode)
	if err != nil {
		err = &net.OpError{Op: "listen", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
		return nil, fmt.Errorf("servers: %w%s", err, unixHint(path, err))
	}
	l.listenOn(nl)
	return l, nil
}

func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	switch {
	case path == "":
		return nil, errors.New(`no path: it is that of a file, or "@name" on Linux`)
	case mode&^fs.ModePerm != 0:
		return nil, fmt.Errorf("a Mode of %v has more than permission bits", mode)
	case !strings.HasPrefix(path, "@"):
		return listenUnixFile(path, mode)
	case mode != 0:
		return nil, errors.New("an abstract name has no file that could have a Mode")
	}
	return listenUnixPlain(path)
}

// listenUnixPlain listens with package net only.
func listenUnixPlain(path string) (net.Listener, error) {
	nl, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	var op *net.OpError
	if errors.As(err, &op) {
		return nil, op.Err
	}
	if err != nil {
		return nil, err
	}
	return nl, nil
}

// unixHint returns a suggested remedy for err, or "".
func unixHint(path string, err error) string {
	if hint := unixfile.BindHint(err); hint != "" {
		return hint
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; something listens there already: stop it, or choose another path"
	case errors.Is(err, syscall.EINVAL) && len(path) >= 100:
		return fmt.Sprintf("; the path has %d bytes and may have %d at most: a relative one may be shorter",
			len(path), unixfile.MaxPath)
	}
	return ""
}
