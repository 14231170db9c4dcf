//go:build unix && !aix && !solaris

package datagram

import (
	"net"
	"sync/atomic"
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/unixfile"
)

// UnixConn is a Unix datagram socket as a pair of typed halves. It starts no goroutine, and holds no buffer while it
// waits for input. A sent datagram is in the receiver's queue, so nothing is queued here. When both halves have ended,
// the socket is closed and its file removed.
type UnixConn struct {
	ends[chanio.UnixPacket]

	uc    *net.UnixConn
	raw   syscall.RawConn
	file  *unixfile.File         // nil if there is none
	peer  string                 // empty unless connected
	bound atomic.Pointer[string] // the name that the peer is bound to, perhaps another form of the path
	out   unixOutlet
}

func newUnix(uc *net.UnixConn, file *unixfile.File, cfg *UnixConfig) *UnixConn {
	c := &UnixConn{uc: uc, file: file, peer: cfg.Remote}
	c.raw, _ = uc.SyscallConn() // fails only for a nil uc
	c.ends.init("UnixPacketConn", uc, cfg.Linger, cfg.Shutdown, c.closeBelow)
	if c.peer != "" {
		c.remote = unixAddr(c.peer) // not connected yet
	}
	c.in.flushHeld, c.in.ended = func() {}, c.inEnded
	c.in.reported = func(error) {} // reports that a connected peer is gone, which loses nothing
	c.In = c.in.init(&c.ends, newUnixReader(c, cfg), uc.SetReadDeadline)
	c.Out = c.out.init(c)
	return c
}

// LocalAddr implements [chanio.PacketSocket], as do the other methods.
func (c *UnixConn) LocalAddr() string { return c.local.String() }

// RemoteAddr returns the name of the peer, if there is one.
func (c *UnixConn) RemoteAddr() string { return c.peer }

// SyscallConn returns the descriptor.
func (c *UnixConn) SyscallConn() (syscall.RawConn, error) { return c.uc.SyscallConn() }

// Stats returns the counts. The kernel drops no Unix datagrams.
func (c *UnixConn) Stats() chanio.PacketStats { return c.counts.stats(0) }

func (c *UnixConn) closeBelow() {
	if c.file != nil {
		c.file.Remove()
	}
	_ = c.uc.Close()
}

// inEnded ends reception, so that peers do not wait for room.
func (c *UnixConn) inEnded() {
	c.halfEnded()
	if c.uc.CloseRead() == nil { // it fails if the socket has been closed
		_ = control(c.raw, drop)
	}
}

const dropMax = 1 << 16 // more than a kernel queues

// drop reads the queue of a socket that no longer receives, because only that wakes senders that wait for room.
func drop(fd uintptr) error {
	var buf [1]byte
	for range dropMax {
		n, from, err := syscall.Recvfrom(int(fd), buf[:], syscall.MSG_DONTWAIT)
		if err != nil || n == 0 && from == nil {
			return err
		}
	}
	return nil
}

// sendError returns the error of sending to a name.
func (c *UnixConn) sendError(to string, err error) error {
	if to == "" {
		return c.opError("send", nil, err)
	}
	return c.opError("send", unixAddr(to), err)
}
