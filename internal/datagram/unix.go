package datagram

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/weir-go/weir/internal/unixfile"
)

// UnixConfig says how a Unix datagram socket is made and how it behaves. The zero value means the defaults.
type UnixConfig struct {
	Local         string        // a path, "@name", or empty: one that the kernel chooses, where it does
	Remote        string        // the peer; empty: none
	Mode          fs.FileMode   // of the file at Local; 0: what the umask leaves
	Linger        time.Duration // how long Close waits without progress; 0: chanio.DefaultLinger
	MaxDatagram   int           // the largest payload that is received whole; 0: MaxUnix
	KeepTruncated bool          // deliver the start of larger ones
	WriteBuffer   int           // bytes; 0: the system's choice
	Shutdown      error         // how In ends after Shutdown; nil: net.ErrClosed
}

// MaxUnix is the largest payload that is received whole unless a configuration says otherwise. It is more than a socket
// sends with the write buffer that Linux gives it.
const MaxUnix = 256 << 10

var (
	errNoFile     = errors.New("a Mode needs a path: this socket has no file")
	errUnnamed    = errors.New("no address: a peer without a name cannot be answered")
	errOtherName  = errors.New("this socket has another peer: leave Addr empty, or send from one that is not connected")
	errLongName   = fmt.Errorf("a path has at most %d bytes: a relative one may be shorter", unixfile.MaxPath)
	errNoAbstract = fmt.Errorf("abstract names exist on Linux only: %w here", errors.ErrUnsupported)
)

// ExplainUnix wraps err, of OpenUnix, with a prefix and, if it is a common mistake, with what to do about it.
func ExplainUnix(prefix string, err error) error {
	hint := localHint
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		hint = remoteHint
	}
	return fmt.Errorf("%s: %w%s", prefix, err, hint(err))
}

// localHint says what to do about an error of binding, or nothing.
func localHint(err error) string {
	if hint := unixfile.BindHint(err); hint != "" {
		return hint
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return "; that address is in use: stop the other process, or choose another path"
	}
	return ""
}

// remoteHint says what to do about an error of connecting or sending, or nothing.
func remoteHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "; is the server running, and is this its path?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; nobody listens there: is the server running?"
	case errors.Is(err, syscall.EPIPE):
		return "; the peer receives no more"
	case errors.Is(err, syscall.EPROTOTYPE):
		return "; it is a stream socket: DialUnix connects to it"
	case errors.Is(err, syscall.EPERM):
		return "; that socket is connected to another peer and receives from nobody else"
	case errors.Is(err, fs.ErrPermission):
		return "; sending needs permission to write to the socket's file, which the server's Mode can grant"
	}
	return ""
}

// check refuses what cannot be the configuration of a socket.
func (cfg *UnixConfig) check() error {
	switch {
	case cfg.Mode&^fs.ModePerm != 0:
		return fmt.Errorf("a Mode of %v has more than permission bits", cfg.Mode)
	case cfg.Mode != 0 && (cfg.Local == "" || isAbstract(cfg.Local)):
		return errNoFile
	case len(cfg.Local) > unixfile.MaxPath || len(cfg.Remote) > unixfile.MaxPath:
		return errLongName
	}
	return nil
}

func isAbstract(name string) bool { return strings.HasPrefix(name, "@") }
