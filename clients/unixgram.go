package clients

import (
	"errors"
	"io/fs"
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/datagram"
)

// UnixgramConfig says how a connected Unix datagram socket is made and how it behaves. The zero value, and nil, mean
// the defaults.
type UnixgramConfig struct {
	// LocalAddr is the name that the socket is bound to, which the peer needs to answer: a path or an abstract name, as
	// for servers.ListenUnixgram; a stale file is removed as there, and the socket's own when it is closed. "" has the
	// kernel choose an abstract name on Linux, which works within one network namespace; elsewhere the socket has no
	// name then, and cannot be answered.
	LocalAddr string

	// Mode is who may answer: the permission bits of the file at LocalAddr. On Linux the file never has more than that.
	// 0 means what the umask leaves.
	Mode fs.FileMode

	// MaxDatagram is the largest payload, in bytes, that is received whole. 0 means 256 KiB. A buffer of that size is
	// borrowed while a datagram is received.
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

// DialUnixgram makes a Unix datagram socket whose peer is the one at path, or, on Linux, of the abstract name that
// begins with "@". The caller closes it. cfg may be nil. There is nothing to wait for, so it takes no ctx: a peer
// that is not there is an error at once. In receives what the peer sends, and nobody else.
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one. Where there are no such
// sockets, as on Windows, it is errors.ErrUnsupported.
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
