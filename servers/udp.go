package servers

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/datagram"
)

// UDPConfig says how a UDP socket behaves. The zero value, and nil, mean the defaults.
type UDPConfig struct {
	// Coalesce is how long a datagram may wait to leave in one system call with others, which happens only while In has
	// some at hand or Out is corked. 0 means 200 µs; negative turns it off.
	Coalesce time.Duration

	// Linger is how long Close waits for a kernel that takes nothing. 0 means [chanio.DefaultLinger].
	Linger time.Duration

	// MaxDatagram is the largest payload, in bytes, that is received whole. 0 means any. A limit makes the buffers
	// smaller, which a socket borrows while datagrams are at hand: 32 times MaxDatagram, 2 MiB without a limit.
	MaxDatagram int

	// KeepTruncated delivers the first MaxDatagram bytes of larger datagrams. They are dropped otherwise, because half a
	// message is rarely one. Stats counts them in both cases.
	KeepTruncated bool

	// NoOffload stops the kernel from cutting what is sent to one address into datagrams, and from joining what comes
	// from one, on its way through the stack (Linux: UDP_SEGMENT, UDP_GRO). It changes nothing but speed. A network card
	// that refuses it is noticed.
	NoOffload bool

	// ReadBuffer and WriteBuffer are the sizes of the kernel's buffers in bytes. 0 means the system's default, some
	// 200 KiB on Linux; the system has a maximum too (net.core.rmem_max). What the read buffer has no room for is dropped.
	ReadBuffer, WriteBuffer int

	// TTL is how many routers a datagram may pass, its hop limit (RFC 8200) if it is IPv6. 0 means the system's default.
	TTL int

	// TOS is the octet of type of service, or traffic class: the DSCP (RFC 2474) times 4. 0 means the default.
	TOS int

	// Broadcast permits sending to broadcast addresses. It is off so that none is addressed by mistake.
	Broadcast bool

	// ReusePort lets other sockets that ask for it be bound to the same address: each then receives the datagrams of some
	// peers, and all multicasts. Not on Windows.
	ReusePort bool

	// MulticastInterface is the interface that multicasts are sent from. nil leaves it to the system.
	MulticastInterface *net.Interface

	// MulticastTTL is the TTL of multicasts. 0 means the system's default, 1: they stay on the local network.
	MulticastTTL int

	// MulticastNoLoopback keeps multicasts from the sockets of this host.
	MulticastNoLoopback bool

	// Control, if not nil, is called with the socket before it is bound, as in [net.ListenConfig]. It is the way to set
	// an option that has no field here.
	Control func(network, address string, c syscall.RawConn) error
}

func (cfg *UDPConfig) options() datagram.Options {
	return datagram.Options{
		ReadBuffer: cfg.ReadBuffer, WriteBuffer: cfg.WriteBuffer, TTL: cfg.TTL, TOS: cfg.TOS,
		Broadcast: cfg.Broadcast, ReusePort: cfg.ReusePort, MulticastInterface: cfg.MulticastInterface,
		MulticastTTL: cfg.MulticastTTL, MulticastNoLoopback: cfg.MulticastNoLoopback, Control: cfg.Control,
	}
}

func (cfg *UDPConfig) datagram() datagram.Config {
	return datagram.Config{
		Coalesce: cfg.Coalesce, Linger: cfg.Linger, MaxDatagram: cfg.MaxDatagram,
		KeepTruncated: cfg.KeepTruncated, NoOffload: cfg.NoOffload,
	}
}

// UDPConn is a UDP socket (RFC 768) as a typed stream of datagrams: In yields those that arrive, from anybody, and Out
// sends each [chanio.Packet] to its Addr.
//
//	for p := range conn.In.C(ctx) {
//		err := conn.Out.Send(ctx, chanio.Packet{Addr: p.Addr, Data: reply(p.Data)})
//
// In reads when somebody asks, and then whatever has arrived: 32 messages in one system call on Linux. Each payload
// belongs to its receiver; small ones share memory that is never used again. Addresses of IPv4 are plain, also
// on a socket of both families.
//
// Out takes what one Send after the other gives it and sends it with few system calls, by the rules of a
// [chanio.Conn]: datagrams wait only while In has more at hand or Out is corked, and no longer than the coalescing
// delay. A Send waits for room if the kernel takes no more; 256 datagrams or 256 KiB are queued at most. A Send refuses
// what can never leave: a payload over the limit, 65,507 bytes to an IPv4 address and 65,527 to an IPv6 one, with an
// error that is syscall.EMSGSIZE, and an Addr that this socket cannot send to. Nothing has been sent then and nothing
// ends. (A value that is refused of a channel of Out.C closes Out, since nobody else can be told.)
//
// A datagram that was accepted and that the kernel then refuses, because there is no route to its address for instance,
// is lost: it is counted, and the next Flush or Close returns the first such error. Nothing ends because of it.
//
// Closing In drops what lies in it, and what arrives then is left to the kernel, which drops it too.
//
// UDP has no end of a stream. Out.Close sends what is queued and returns an error that is errors.ErrUnsupported,
// because the peer cannot be told; In goes on. Close of the whole is no error. Abort discards what is queued and ends
// both halves, and the socket is closed when both have ended.
type UDPConn struct {
	chanio.Duplex[chanio.Packet, chanio.Packet]
	c *datagram.Conn
}

// ListenUDP binds a UDP socket to addr, which is host:port: without a host to all addresses of both families, with an
// IPv4 host to that family alone, and with port 0 to a free port that [UDPConn.LocalAddr] tells. cfg may be nil. It
// starts no goroutine, and what arrives waits in the kernel's buffer until somebody receives. The caller closes the
// UDPConn.
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one. ListenUDP is the socket of
// aleph.udp with a port; one without is ListenUDP(":0", nil).
func ListenUDP(addr string, cfg *UDPConfig) (*UDPConn, error) {
	if cfg == nil {
		cfg = &UDPConfig{}
	}
	uc, err := cfg.options().Listen(addr)
	if err != nil {
		return nil, datagram.Explain("servers", err)
	}
	c := datagram.New(uc, cfg.datagram())
	return &UDPConn{Duplex: c.Duplex, c: c}, nil
}

// LocalAddr returns the address that the socket is bound to, of which the IP may be unspecified. It goes on working
// after Close.
func (u *UDPConn) LocalAddr() netip.AddrPort { return u.c.LocalAddr() }

// Done is closed when both halves have ended and the socket is closed.
func (u *UDPConn) Done() <-chan struct{} { return u.c.Done() }

// Join has the socket receive what is sent to a multicast group on its port, and only from the groups that it joined.
// ifi is the interface to receive on; nil leaves the choice to the system. Groups of IPv4 want a socket of IPv4 or
// both families, those of IPv6 one that is not of IPv4 alone. It does not block.
func (u *UDPConn) Join(group netip.Addr, ifi *net.Interface) error { return u.c.Join(group, ifi) }

// Leave takes a Join with the same arguments back.
func (u *UDPConn) Leave(group netip.Addr, ifi *net.Interface) error { return u.c.Leave(group, ifi) }

// SyscallConn returns the descriptor of the socket, for options that have no field or method here.
func (u *UDPConn) SyscallConn() (syscall.RawConn, error) { return u.c.UDPConn().SyscallConn() }

// Stats returns what has been counted so far. It goes on working after Close.
func (u *UDPConn) Stats() UDPStats { return UDPStats(u.c.Stats()) }

// String describes the socket: its transport and address, and what it has received and sent.
func (u *UDPConn) String() string {
	s := u.Stats()
	return fmt.Sprintf("udp %s (%s, %d received, %d sent)", u.LocalAddr(), u.c.State(), s.Received, s.Sent)
}

// Shutdown ends In with [ErrShutdown] once what has arrived has been received, and waits until the socket is closed by
// whoever uses it. When ctx ends first it aborts and returns ctx's cause (G18). On a socket that never goes quiet, what
// has arrived is what up to 256 more system calls bring.
func (u *UDPConn) Shutdown(ctx context.Context) error {
	u.c.EndIn(ErrShutdown)
	select {
	case <-u.Done():
		return nil
	case <-ctx.Done():
		u.Out.Abort(context.Cause(ctx))
		return context.Cause(ctx)
	}
}

// UDPStats counts what went through a UDP socket. The counts are of datagrams if not said otherwise, and start at 0.
type UDPStats struct {
	Received      uint64 // taken from the kernel; some may lie in In
	ReceivedBytes uint64 // their payloads
	Reads         uint64 // system calls that they took
	Truncated     uint64 // of them larger than MaxDatagram
	Dropped       int64  // by the kernel for want of room in its buffer, modulo 2³²; -1 where it does not tell (Linux does)
	Sent          uint64 // given to the kernel
	SentBytes     uint64 // their payloads
	Writes        uint64 // system calls that they took
	Lost          uint64 // accepted by Out and refused by the kernel, or reported as unreachable
}
