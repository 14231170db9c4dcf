package servers

import (
	"errors"
	"io/fs"
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/datagram"
)

// UnixgramConfig says how a Unix datagram socket behaves. The zero value, and nil, mean the defaults.
type UnixgramConfig struct {
	// Mode is who may send to the socket: the permission bits of its file, such as 0o622 for everybody. On Linux the file
	// never has more than that. 0 means what the umask leaves, which commonly lets the server's own user send and nobody
	// else.
	Mode fs.FileMode

	// MaxDatagram is the largest payload, in bytes, that is received whole. 0 means 256 KiB, which is more than a socket
	// sends that has the write buffer that Linux gives it. A buffer of that size is borrowed while a datagram is received.
	MaxDatagram int

	// KeepTruncated delivers the first MaxDatagram bytes of larger datagrams. They are dropped otherwise, because half a
	// message is rarely one. Stats counts them in both cases.
	KeepTruncated bool

	// WriteBuffer is the size of the kernel's buffer for what is sent and not yet received, in bytes, and bounds the size
	// of a datagram. 0 means the system's default; the system has a maximum too (net.core.wmem_max).
	WriteBuffer int

	// Linger is how long Close waits for a full receiver if a channel of Out.C still has datagrams. 0 means
	// [chanio.DefaultLinger].
	Linger time.Duration
}

// ListenUnixgram binds a Unix datagram socket to a path, or, on Linux, to an abstract name, which begins with "@" and
// has no file. cfg may be nil. It starts no goroutine, and what arrives waits in the kernel's queue until somebody
// receives, while senders wait for room. The caller closes the UnixPacketConn. It is what a service has that takes
// messages of others on the same machine: a log, or the notifications of systemd.
//
// A socket file that a process has left behind is removed first; one that somebody has is not, nor anything else that
// is there, by the rules of [ListenUnix]. A peer that wants an answer needs a name, as [clients.DialUnixgram]
// sees to.
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one. Where there are no such
// sockets, as on Windows, it is errors.ErrUnsupported.
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
