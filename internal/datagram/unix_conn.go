//go:build unix && !aix && !solaris

package datagram

import (
	"context"
	"errors"
	"fmt"
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
	chanio.Duplex[chanio.UnixPacket, chanio.UnixPacket]

	uc     *net.UnixConn
	raw    syscall.RawConn
	file   *unixfile.File // nil if there is none
	local  string
	peer   string                 // empty unless connected
	bound  atomic.Pointer[string] // what the peer calls itself: another way to write the path, perhaps
	why    error                  // of Shutdown
	in     inlet[chanio.UnixPacket]
	out    unixOutlet
	counts counts
	life
}

func newUnix(uc *net.UnixConn, file *unixfile.File, cfg *UnixConfig) *UnixConn {
	c := &UnixConn{uc: uc, file: file, local: nameOf(uc.LocalAddr()), peer: cfg.Remote, why: cfg.Shutdown}
	c.raw, _ = uc.SyscallConn() // fails for a nil uc alone
	linger := cfg.Linger
	if linger <= 0 {
		linger = chanio.DefaultLinger
	}
	if c.why == nil {
		c.why = net.ErrClosed
	}
	c.in.init(c, newUnixReader(c, cfg), uc.SetReadDeadline)
	c.out.init(c)
	c.In = c.in.source()
	c.Out = chanio.NewSink(chanio.SinkHooks[chanio.UnixPacket]{
		Send: c.out.send, TrySend: c.out.trySend, Flush: c.out.flush, Close: c.out.close, Abort: c.out.abort,
		End: &chanio.End{Linger: linger, Released: c.Done()}, Describe: c.out.describe,
	})
	return c
}

func nameOf(a net.Addr) string {
	if u, ok := a.(*net.UnixAddr); ok && u != nil {
		return u.Name
	}
	return ""
}

// LocalAddr is that of [chanio.PacketSocket], as are the others.
func (c *UnixConn) LocalAddr() string { return c.local }

// RemoteAddr returns the name of the peer, if there is one.
func (c *UnixConn) RemoteAddr() string { return c.peer }

// SyscallConn returns the descriptor.
func (c *UnixConn) SyscallConn() (syscall.RawConn, error) { return c.uc.SyscallConn() }

// Stats returns what has been counted; a kernel drops no datagram of these.
func (c *UnixConn) Stats() chanio.PacketStats { return c.counts.stats(0) }

// String describes the socket.
func (c *UnixConn) String() string {
	local, to := c.local, ""
	if local == "" {
		local = "unnamed"
	}
	if c.peer != "" {
		to = " to " + c.peer
	}
	return fmt.Sprintf("unixgram %s%s (%s, %d received, %d sent)",
		local, to, c.state(), c.counts.received.Load(), c.counts.sent.Load())
}

// Shutdown ends In and waits until the socket is closed.
func (c *UnixConn) Shutdown(ctx context.Context) error {
	c.in.gate.end(c.why)
	return awaitEnd(ctx, c.Done(), c.Out)
}

// inEnded notes that In has ended. Peers are told, so that they do not wait until there is room.
func (c *UnixConn) inEnded() {
	c.ended(true, false)
	if c.uc.CloseRead() == nil { // it fails when ended has closed the socket
		_ = control(c.raw, drop)
	}
}

const dropMax = 1 << 16 // more than a kernel queues

// drop takes what is queued at a socket that receives no more. The kernel wakes those who wait for room by that alone.
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

func (c *UnixConn) outEnded() { c.ended(false, true) }

// ended notes that halves have ended. Whoever notes the second one closes the socket.
func (c *UnixConn) ended(in, out bool) {
	if !c.life.ended(in, out, func() {}) {
		return
	}
	if c.file != nil {
		c.file.Remove()
	}
	_ = c.uc.Close()
	c.in.gate.close(net.ErrClosed)
	c.life.release()
}

// receives reports whether In has not ended.
func (c *UnixConn) receives() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.inOver
}

func (c *UnixConn) letGo() {}

// reported notes that a peer which was connected to this socket is gone. Nothing is lost by that.
func (c *UnixConn) reported(error) {}

func (c *UnixConn) readError(err error) error { return c.opError("read", "", err) }

func (c *UnixConn) describeIn() chanio.Description {
	return chanio.Description{Kind: "UnixPacketConn.In", Name: c.local, Passed: c.counts.received.Load()}
}

// opError says which call failed, and between which addresses.
func (c *UnixConn) opError(op, to string, err error) error {
	e := &net.OpError{Op: op, Net: "unixgram", Source: unixAddr(c.local), Err: err}
	if to == "" {
		to = c.peer
	}
	if to != "" {
		e.Addr = unixAddr(to)
	}
	return e
}

// noHalfClose is what Out.Close returns: the peer has not been told, because there is no word for it.
func (c *UnixConn) noHalfClose() error { return c.opError("close write", "", errors.ErrUnsupported) }
