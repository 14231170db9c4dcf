package servers

import (
	"errors"
	"io/fs"
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/datagram"
)

// UnixgramConfig configures a Unix datagram socket. A nil *UnixgramConfig and the zero value use the defaults.
type UnixgramConfig struct {
	// Mode is the permission bits of the socket's file, which decide who may send, such as 0o622 for all users. On
	// Linux the file never has more permissions than these. 0 leaves them to the umask, which usually admits only the
	// server's own user.
	Mode fs.FileMode

	// MaxDatagram is the largest payload, in bytes, that is received whole, at most 1 GiB. 0 means 256 KiB, which
	// exceeds what a socket with Linux's default write buffer can send. A buffer of that size is borrowed while a
	// datagram is received.
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

// ListenUnixgram binds a Unix datagram socket to a path or, on Linux, to an abstract name, which starts with "@" and
// has no file. cfg may be nil. Services use such sockets to receive messages from processes of the same machine, for
// example logs or systemd notifications. ListenUnixgram starts no goroutine. Datagrams wait in the kernel's queue until
// they are received; senders block while it is full. The caller must close the UnixPacketConn.
//
// A stale socket file is removed first, by the rules of [ListenUnix]. A peer that expects answers needs a name;
// [clients.DialUnixgram] creates one.
//
// The error wraps a [*net.OpError]. For common mistakes its text suggests a remedy. On systems without such sockets,
// such as Windows, the error is errors.ErrUnsupported.
//
// [clients.DialUnixgram]: https://pkg.go.dev/github.com/weir-go/weir/clients#DialUnixgram
func ListenUnixgram(path string, cfg *UnixgramConfig) (*chanio.UnixPacketConn, error) {
	if cfg == nil {
		cfg = &UnixgramConfig{}
	}
	if path == "" {
		err := errors.New(`no path: it is that of a file, or "@name" on Linux`)
		return nil, datagram.ExplainUnix("servers", &net.OpError{Op: "listen", Net: "unixgram", Err: err})
	}
	c, err := datagram.OpenUnix(&datagram.UnixConfig{
		Local: path, Mode: cfg.Mode, Linger: cfg.Linger, MaxDatagram: cfg.MaxDatagram, KeepTruncated: cfg.KeepTruncated,
		WriteBuffer: cfg.WriteBuffer, Shutdown: ErrShutdown,
	})
	if err != nil {
		return nil, datagram.ExplainUnix("servers", err)
	}
	return c, nil
}
