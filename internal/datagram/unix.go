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

// UnixConfig configures a Unix datagram socket. The zero value means the defaults.
type UnixConfig struct {
	Local         string        // a path, "@name", or "" for one that the kernel chooses, if it does
	Remote        string        // the peer; empty: none
	Mode          fs.FileMode   // of the file at Local; 0: what the umask leaves
	Linger        time.Duration // how long Close waits without progress; 0: chanio.DefaultLinger
	MaxDatagram   int           // the largest payload that is received whole; 0: MaxUnix
	KeepTruncated bool          // deliver the start of larger ones
	WriteBuffer   int           // bytes; 0: the system's choice
	Shutdown      error         // how In ends after Shutdown; nil: net.ErrClosed
}

// MaxUnix is the default limit of payloads that are received whole. It is larger than any that a socket with Linux's
// default write buffer sends.
const MaxUnix = 256 << 10

// maxBuffer is the largest limit, which no kernel exceeds.
const maxBuffer = 1 << 30

var (
	errNoFile     = errors.New("a Mode needs a path: this socket has no file")
	errUnnamed    = errors.New("no address: a peer without a name cannot be answered")
	errOtherName  = errors.New("this socket has another peer: leave Addr empty, or send from one that is not connected")
	errTooLarge   = fmt.Errorf("MaxDatagram is at most %d, since a buffer of that size is allocated", maxBuffer)
	errLongName   = fmt.Errorf("a path has at most %d bytes: a relative one may be shorter", unixfile.MaxPath)
	errNoAbstract = fmt.Errorf("abstract names exist on Linux only: %w here", errors.ErrUnsupported)
)

// ExplainUnix wraps err, of OpenUnix, with a prefix and, for common mistakes, advice.
func ExplainUnix(prefix string, err error) error {
	hint := localHint
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		hint = remoteHint
	}
	return fmt.Errorf("%s: %w%s", prefix, err, hint(err))
}

// localHint returns advice about an error of binding, or "".
func localHint(err error) string {
	if hint := unixfile.BindHint(err); hint != "" {
		return hint
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return "; that address is in use: stop the other process, or choose another path"
	}
	return ""
}

// remoteHint returns advice about an error of connecting or sending, or "".
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

// check rejects an invalid configuration.
func (cfg *UnixConfig) check() error {
	switch {
	case cfg.Mode&^fs.ModePerm != 0:
		return fmt.Errorf("a Mode of %v has more than permission bits", cfg.Mode)
	case cfg.Mode != 0 && (cfg.Local == "" || isAbstract(cfg.Local)):
		return errNoFile
	case cfg.MaxDatagram > maxBuffer:
		return errTooLarge
	case len(cfg.Local) > unixfile.MaxPath || len(cfg.Remote) > unixfile.MaxPath:
		return errLongName
	}
	return nil
}

func isAbstract(name string) bool { return strings.HasPrefix(name, "@") }
