package datagram

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Config says how a [Conn] behaves. The zero value means the defaults.
type Config struct {
	Coalesce      time.Duration // how long a datagram may wait for others to leave with; 0: 200 µs, negative: not at all
	Linger        time.Duration // how long Close waits without progress; 0: chanio.DefaultLinger
	MaxDatagram   int           // the largest payload that is received whole; 0: any
	KeepTruncated bool          // deliver the start of larger ones
	NoOffload     bool          // the kernel neither cuts nor joins datagrams
	Shutdown      error         // how In ends after Shutdown; nil: net.ErrClosed

	plain bool // one at a time, as where there is no better way
}

const (
	defaultCoalesce = 200 * time.Microsecond

	// MaxPayload is the largest payload that fits into a UDP datagram: 65535 octets with the header of 8 (RFC 768). Over
	// IPv4 the header of the packet counts as well.
	MaxPayload   = 65535 - 8
	maxPayloadV4 = MaxPayload - 20
)

// Conn is a UDP socket as a pair of typed halves. It starts no goroutine while the kernel takes what is sent, and holds
// no buffer while it waits for input. When both halves have ended the socket is closed.
type Conn struct {
	chanio.Duplex[chanio.Packet, chanio.Packet]

	uc     *net.UDPConn
	local  netip.AddrPort
	peer   netip.AddrPort // not valid unless connected
	v4     bool           // the socket is of IPv4 alone
	linger time.Duration
	why    error // of Shutdown
	zones  zones
	in     inlet[chanio.Packet]
	out    outlet
	counts counts

	life
	drops int64 // as the kernel said when the socket was closed
}

// New wraps uc, which it owns from then on.
func New(uc *net.UDPConn, cfg Config) *Conn {
	c := &Conn{uc: uc, linger: cfg.Linger, why: cfg.Shutdown}
	c.local = addrPortOf(uc.LocalAddr())
	c.peer = addrPortOf(uc.RemoteAddr())
	c.v4 = isV4(uc, c.local)
	if c.linger <= 0 {
		c.linger = chanio.DefaultLinger
	}
	if c.why == nil {
		c.why = net.ErrClosed
	}
	if cfg.MaxDatagram <= 0 || cfg.MaxDatagram > MaxPayload {
		cfg.MaxDatagram = MaxPayload
	}
	r, w := newTransport(c, cfg)
	c.in.init(c, r, uc.SetReadDeadline)
	c.out.init(c, w, cfg)
	c.In = c.in.source()
	c.Out = chanio.NewSink(chanio.SinkHooks[chanio.Packet]{
		Send: c.out.send(), TrySend: c.out.trySend, Flush: c.out.flush, Close: c.out.close, Abort: c.out.abort,
		Cork: c.out.corkAll, End: &chanio.End{Linger: c.linger, Released: c.Done()}, Describe: c.out.describe,
	})
	return c
}

// PacketConn returns c as what servers and clients hand out.
func (c *Conn) PacketConn() *chanio.PacketConn {
	return &chanio.PacketConn{Duplex: c.Duplex, PacketSocket: c, Multicast: c}
}

// LocalAddr returns the address that the socket is bound to. It goes on working after the socket was closed.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// RemoteAddr returns the peer of a connected socket, otherwise the zero AddrPort.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.peer }

// SyscallConn returns the descriptor of the socket.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.uc.SyscallConn() }

// String describes the socket.
func (c *Conn) String() string {
	to := ""
	if c.peer.IsValid() {
		to = " to " + c.peer.String()
	}
	return fmt.Sprintf("udp %s%s (%s, %d received, %d sent)",
		c.local, to, c.state(), c.counts.received.Load(), c.counts.sent.Load())
}

// endIn makes In end with cause once what has arrived so far has been received; a Recv that waits returns it now.
func (c *Conn) endIn(cause error) { c.in.gate.end(cause) }

// Shutdown is that of [chanio.PacketSocket].
func (c *Conn) Shutdown(ctx context.Context) error {
	c.endIn(c.why)
	return awaitEnd(ctx, c.Done(), c.Out)
}

// awaitEnd waits until done is closed. When ctx ends first it aborts out and returns ctx's cause.
func awaitEnd[P any](ctx context.Context, done <-chan struct{}, out *chanio.Sink[P]) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		out.Abort(context.Cause(ctx))
		return context.Cause(ctx)
	}
}

// inEnded and outEnded note that a half has ended.
func (c *Conn) inEnded()  { c.ended(true, false) }
func (c *Conn) outEnded() { c.ended(false, true) }

// ended notes that halves have ended. Whoever notes the second one closes the socket.
func (c *Conn) ended(in, out bool) {
	if !c.life.ended(in, out, func() { c.drops = kernelDrops(c.uc) }) {
		return
	}
	_ = c.uc.Close()
	c.in.gate.close(net.ErrClosed)
	c.life.release()
}

func (c *Conn) letGo()             { c.out.letGo() }
func (c *Conn) reported(err error) { c.out.reported(err) }

func (c *Conn) readError(err error) error { return c.opError("read", netip.AddrPort{}, err) }

func (c *Conn) describeIn() chanio.Description {
	return chanio.Description{Kind: "PacketConn.In", Name: c.local.String(), Passed: c.counts.received.Load()}
}

// opError says which call failed, and between which addresses.
func (c *Conn) opError(op string, to netip.AddrPort, err error) error {
	e := &net.OpError{Op: op, Net: "udp", Source: c.uc.LocalAddr(), Err: err}
	if to.IsValid() {
		e.Addr = net.UDPAddrFromAddrPort(to)
	} else if c.peer.IsValid() {
		e.Addr = net.UDPAddrFromAddrPort(c.peer)
	}
	return e
}

// noHalfClose is what Out.Close returns when all has been sent: the peer has not been told, because UDP has no word
// for it.
func (c *Conn) noHalfClose() error {
	return c.opError("close write", netip.AddrPort{}, errors.ErrUnsupported)
}

func addrPortOf(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return unmap(u.AddrPort())
}

// unmap makes an IPv4 address of one that an IPv6 socket maps.
func unmap(ap netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()) }

// validAddr judges where a packet is to go.
func (c *Conn) validAddr(to netip.AddrPort) error {
	switch {
	case c.peer.IsValid():
		if to.IsValid() && unmap(to) != c.peer {
			return errOtherPeer
		}
	case !to.IsValid():
		return errNoAddr
	case to.Port() == 0:
		return errNoPort
	case c.v4 && !to.Addr().Unmap().Is4():
		return errFamily
	}
	return nil
}
