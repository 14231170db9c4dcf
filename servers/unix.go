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

// ListenUnix listens on a Unix domain socket: at a path, or, on Linux, under an abstract name, which begins with "@"
// and has no file. It is otherwise like [ListenTCP]. cfg may be nil.
//
// A socket file that a process has left behind is removed first; one at which somebody listens is not, nor anything
// else that is there. To tell them apart ListenUnix connects, which a server that lives sees as a connection that ends
// at once. Starters of weir that come at the same time take turns by a lock on the directory, so one of them listens
// and the others fail; where the directory cannot be locked, nothing is removed. The file is removed when the Listener
// stops accepting, unless another one has taken its place or [Listener.File] has been called.
//
// A Unix socket has no reset: to the peer, an abort looks like the end of the stream, unless the peer had sent
// something that was not read.
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one.
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

// listenUnixPlain listens by the means of the net package.
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

// unixHint says what to do about err, or nothing.
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
