package datagram

import (
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Config configures a [Conn]. The zero value means the defaults.
type Config struct {
	Coalesce      time.Duration // how long a datagram may be held back; 0: 200 µs, negative: not at all
	Linger        time.Duration // how long Close waits without progress; 0: chanio.DefaultLinger
	MaxDatagram   int           // the largest payload received whole; 0: any
	KeepTruncated bool          // deliver the start of larger ones
	NoOffload     bool          // the kernel neither splits nor joins datagrams
	Shutdown      error         // how In ends after Shutdown; nil: net.ErrClosed

	plain bool // one at a time, as on systems without batches
}

const (
	// MaxPayload is the largest payload of a UDP datagram: 65535 octets less the header of 8 (RFC 768). Over IPv4 the
	// IP header counts as well.
	MaxPayload   = 65535 - 8
	maxPayloadV4 = MaxPayload - 20
)

// Conn is a UDP socket as a pair of typed halves. It starts no goroutine while the kernel takes what is sent, and holds
// no buffer while it waits for input. When both halves have ended the socket is closed.
type Conn struct {
	ends[chanio.Packet]

	uc    *net.UDPConn
	addr  netip.AddrPort // local
	peer  netip.AddrPort // not valid unless connected
	v4    bool           // the socket is IPv4-only
	zones zones
	out   outlet
	drops atomic.Int64 // the kernel's count when the socket was closed
}

// New wraps uc, which it owns from then on.
func New(uc *net.UDPConn, cfg Config) *Conn {
	c := &Conn{uc: uc, addr: addrPortOf(uc.LocalAddr()), peer: addrPortOf(uc.RemoteAddr()), v4: isV4(uc)}
	c.ends.init("PacketConn", uc, cfg.Linger, cfg.Shutdown, c.closeBelow)
	c.rule.Init(cfg.Coalesce)
	if cfg.MaxDatagram <= 0 || cfg.MaxDatagram > MaxPayload {
		cfg.MaxDatagram = MaxPayload
	}
	r, w := newTransport(c, cfg)
	c.in.flushHeld, c.in.ended = c.out.flushHeld, c.halfEnded
	c.in.reported = func(err error) {
		c.out.mu.Lock()
		defer c.out.mu.Unlock()
		c.out.loseLocked(netip.AddrPort{}, err)
	}
	c.In = c.in.init(&c.ends, r, uc.SetReadDeadline)
	c.Out = c.out.init(c, w)
	return c
}

// PacketConn returns c in the form that servers and clients return.
func (c *Conn) PacketConn() *chanio.PacketConn {
	return &chanio.PacketConn{Duplex: c.Duplex, PacketSocket: c, Multicast: c}
}

// LocalAddr returns the address that the socket is bound to, also after the socket was closed.
func (c *Conn) LocalAddr() netip.AddrPort { return c.addr }

// RemoteAddr returns the peer of a connected socket, otherwise the zero AddrPort.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.peer }

// SyscallConn returns the descriptor of the socket.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.uc.SyscallConn() }

// Stats returns the counts so far.
func (c *Conn) Stats() chanio.PacketStats {
	dropped := kernelDrops(c.uc)
	if dropped < 0 {
		dropped = c.drops.Load()
	}
	return c.counts.stats(dropped)
}

func (c *Conn) closeBelow() {
	c.drops.Store(kernelDrops(c.uc))
	_ = c.uc.Close()
}

// sendError returns the error of sending to an address.
func (c *Conn) sendError(to netip.AddrPort, err error) error {
	if !to.IsValid() {
		return c.opError("send", nil, err)
	}
	return c.opError("send", net.UDPAddrFromAddrPort(to), err)
}

func addrPortOf(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return unmap(u.AddrPort())
}

// isV4 reports whether uc is an IPv4-only socket. For other sockets the net package returns even an IPv4 address in
// IPv6 form.
func isV4(uc *net.UDPConn) bool { return uc.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Is4() }

// unmap converts an IPv4-mapped address to an IPv4 address.
func unmap(ap netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()) }

// check rejects a packet that cannot be sent.
func (c *Conn) check(p *chanio.Packet) error {
	err := c.checkAddr(p.Addr)
	if limit := c.limit(p.Addr); err == nil && len(p.Data) > limit {
		err = &oversizeError{len(p.Data), limit, "what exceeds a packet of the network is likely to be lost"}
	}
	if err != nil {
		err = c.sendError(p.Addr, err)
	}
	return err
}

func (c *Conn) checkAddr(to netip.AddrPort) error {
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

// limit returns the largest payload that may be sent to an address.
func (c *Conn) limit(to netip.AddrPort) int {
	if !to.IsValid() {
		to = c.peer
	}
	if c.v4 || to.Addr().Unmap().Is4() {
		return maxPayloadV4
	}
	return MaxPayload
}
