package clients

import (
	"errors"
	"io/fs"
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/datagram"
)

// UnixgramConfig configures a connected Unix datagram socket. A nil *UnixgramConfig and the zero value use the
// defaults.
type UnixgramConfig struct {
	// LocalAddr is the name that the socket is bound to, which the peer needs in order to answer: a path or an abstract
	// name, as for servers.ListenUnixgram. A stale file is removed as there, and the socket's own file when it is
	// closed. With "" Linux chooses an abstract name, valid within one network namespace; on other systems the socket
	// then has no name and cannot be answered.
	LocalAddr string

	// Mode is the permission bits of the file at LocalAddr, which decide who may answer. On Linux the file never has
	// more permissions than these. 0 leaves them to the umask.
	Mode fs.FileMode

	// MaxDatagram is the largest payload, in bytes, that is received whole, at most 1 GiB. 0 means 256 KiB. A buffer of
	// that size is borrowed while a datagram is received.
	MaxDatagram int

	// KeepTruncated delivers the first MaxDatagram bytes of larger datagrams. By default they are dropped, because a
	// partial message is rarely useful. Stats counts them in both cases.
	KeepTruncated bool

	// WriteBuffer is the size in bytes of the kernel's buffer for datagrams that were sent and not yet received. It
	// limits the size of a datagram. 0 means the system's default; the system also has a maximum (net.core.wmem_max).
	WriteBuffer int

	// Linger is how long Close waits for a full receiver while a channel of Out.C still holds datagrams. 0 means
	// [chanio.DefaultLinger].
	Linger time.Duration
}

// DialUnixgram returns a Unix datagram socket connected to the one at path or, on Linux, at an abstract name, which
// starts with "@". The caller must close it. cfg may be nil. DialUnixgram does not block, so it takes no ctx; an absent
// peer is an error at once. In receives only what the peer sends.
//
// The error wraps a [*net.OpError]. For common mistakes its text suggests a remedy. On systems without such sockets,
// such as Windows, the error is errors.ErrUnsupported.
func DialUnixgram(path string, cfg *UnixgramConfig) (*chanio.UnixPacketConn, error) {
	if cfg == nil {
		cfg = &UnixgramConfig{}
	}
	if path == "" {
		err := errors.New(`no path: it is that of a file, or "@name" on Linux`)
		return nil, datagram.ExplainUnix("clients", &net.OpError{Op: "dial", Net: "unixgram", Err: err})
	}
	c, err := datagram.OpenUnix(&datagram.UnixConfig{
		Local: cfg.LocalAddr, Remote: path, Mode: cfg.Mode, Linger: cfg.Linger, MaxDatagram: cfg.MaxDatagram,
		KeepTruncated: cfg.KeepTruncated, WriteBuffer: cfg.WriteBuffer,
	})
	if err != nil {
		return nil, datagram.ExplainUnix("clients", err)
	}
	return c, nil
}
