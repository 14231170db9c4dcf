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
// waits for input. A datagram that was sent is in the receiver's queue, so nothing is queued here. When both halves
// have ended the socket is closed and its file removed.
type UnixConn struct {
	ends[chanio.UnixPacket]

	uc    *net.UnixConn
	raw   syscall.RawConn
	file  *unixfile.File         // nil if there is none
	peer  string                 // empty unless connected
	bound atomic.Pointer[string] // what the peer calls itself: another way to write the path, perhaps
	out   unixOutlet
}

func newUnix(uc *net.UnixConn, file *unixfile.File, cfg *UnixConfig) *UnixConn {
	c := &UnixConn{uc: uc, file: file, peer: cfg.Remote}
	c.raw, _ = uc.SyscallConn() // fails for a nil uc alone
	c.ends.init("UnixPacketConn", uc, cfg.Linger, cfg.Shutdown, c.closeBelow)
	if c.peer != "" {
		c.remote = unixAddr(c.peer) // not connected yet
	}
	c.in.flushHeld, c.in.ended = func() {}, c.inEnded
	c.in.reported = func(error) {} // a peer that was connected to this socket is gone: nothing is lost by that
	c.In = c.in.init(&c.ends, newUnixReader(c, cfg), uc.SetReadDeadline)
	c.Out = c.out.init(c)
	return c
}

// LocalAddr implements [chanio.PacketSocket], as do the others.
func (c *UnixConn) LocalAddr() string { return c.local.String() }

// RemoteAddr returns the name of the peer, if there is one.
func (c *UnixConn) RemoteAddr() string { return c.peer }

// SyscallConn returns the descriptor.
func (c *UnixConn) SyscallConn() (syscall.RawConn, error) { return c.uc.SyscallConn() }

// Stats returns what has been counted; a kernel drops no datagram of these.
func (c *UnixConn) Stats() chanio.PacketStats { return c.counts.stats(0) }

func (c *UnixConn) closeBelow() {
	if c.file != nil {
		c.file.Remove()
	}
	_ = c.uc.Close()
}

// inEnded tells peers, so that they do not wait for room.
func (c *UnixConn) inEnded() {
	c.halfEnded()
	if c.uc.CloseRead() == nil { // it fails if the socket has been closed
		_ = control(c.raw, drop)
	}
}

const dropMax = 1 << 16 // more than a kernel queues

// drop reads what is queued at a socket that receives no more: only that wakes senders that wait for room.
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

// sendError says that sending to a name failed.
func (c *UnixConn) sendError(to string, err error) error {
	if to == "" {
		return c.opError("send", nil, err)
	}
	return c.opError("send", unixAddr(to), err)
}
