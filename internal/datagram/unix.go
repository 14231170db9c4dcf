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
	errNoFile     = errors.New("a Mode is for the file of a path: this socket has none")
	errUnnamed    = errors.New("the packet says nobody it goes to: a peer without a name cannot be answered")
	errOtherName  = errors.New("this socket has another peer: leave Addr empty, or send from one that is not connected")
	errLongName   = fmt.Errorf("a path has %d bytes at most: a relative one may be shorter", unixfile.MaxPath)
	errNoAbstract = fmt.Errorf("abstract names are of Linux: %w here", errors.ErrUnsupported)
)

// ExplainUnix returns err, of OpenUnix, with a prefix and, where it is a common mistake, with what to do about it. The
// result wraps err.
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
		return "; something has that address already: stop it, or choose another path"
	}
	return ""
}

// remoteHint says what to do about an error of connecting or sending, or nothing.
func remoteHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "; is the server running, and is this its path?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; nobody receives there: is the server running?"
	case errors.Is(err, syscall.EPIPE):
		return "; the peer receives no more"
	case errors.Is(err, syscall.EPROTOTYPE):
		return "; it is a socket for streams: DialUnix connects to it"
	case errors.Is(err, syscall.EPERM):
		return "; that socket has another peer and hears nobody else"
	case errors.Is(err, fs.ErrPermission):
		return "; sending takes permission to write to the socket's file, which the server's Mode may give"
	}
	return ""
}

// judge refuses what cannot be the configuration of a socket.
func (cfg *UnixConfig) judge() error {
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
