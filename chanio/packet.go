package chanio

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// Packet is a datagram, and whom it came from or goes to.
type Packet struct {
	Addr netip.AddrPort // the peer; the zero AddrPort on a connected socket means its peer
	Data []byte         // the payload, owned by whoever received it
}

// PacketConn is a UDP socket (RFC 768) as a typed stream of datagrams, made by servers.ListenUDP and clients.DialUDP.
// In yields those that arrive, and Out sends each [Packet] to its Addr:
//
//	for p := range conn.In.C(ctx) {
//		err := conn.Out.Send(ctx, chanio.Packet{Addr: p.Addr, Data: reply(p.Data)})
//
// A socket that listens receives from anybody and sends to anybody. One that is connected has a peer: it receives from
// nobody else, and the Addr of a packet sent is zero or the peer's.
//
// In reads when somebody asks, and then whatever has arrived: 32 messages in one system call on Linux. Each payload
// belongs to its receiver; small ones share memory that is never used again. Addresses of IPv4 are plain, also
// on a socket of both families. Closing In drops what lies in it, and what arrives then is left to the kernel, which
// drops it too.
//
// Out takes what one Send after the other gives it and sends it with few system calls, by the rules of a [Conn]:
// datagrams wait only while In has more at hand or Out is corked, and no longer than the coalescing delay. A Send waits
// for room if the kernel takes no more; 256 datagrams or 256 KiB are queued at most. A Send refuses what can never
// leave: a payload over the limit, 65,507 bytes to an IPv4 address and 65,527 to an IPv6 one, with an error that is
// syscall.EMSGSIZE, and an Addr that this socket cannot send to. Nothing has been sent then and nothing ends. (A value
// that is refused of a channel of Out.C closes Out, since nobody else can be told.)
//
// A datagram that was accepted and that the kernel then refuses, because there is no route to its address for instance,
// is lost: it is counted, and the next Flush or Close returns the first such error. So it is when the network reports
// (by ICMP) to a connected socket that a datagram found nobody listening, which is syscall.ECONNREFUSED, or did not get
// there. Nothing ends because of it and Recv goes on waiting: the peer may be restarting, the report is about a
// datagram, and anybody could have forged it. Whoever awaits a reply bounds the wait by a ctx.
//
// UDP has no end of a stream. Out.Close sends what is queued and returns an error that is errors.ErrUnsupported,
// because the peer cannot be told; In goes on. Close of the whole is no error. Abort discards what is queued and ends
// both halves, and the socket is closed when both have ended.
//
// One type serves both, as net.UDPConn does, so that what is written for one end works at the other. It is made of
// what it embeds, which somebody else's packets can be too: nothing of it may be nil.
type PacketConn struct {
	Duplex[Packet, Packet]
	PacketSocket[netip.AddrPort]
	Multicast
}

// PacketSocket is what a socket of datagrams has besides its two halves. A is what it calls an address. The methods are
// for any goroutine.
type PacketSocket[A any] interface {
	// LocalAddr returns the address that the socket is bound to, of which an IP may be unspecified. It goes on working
	// after Close.
	LocalAddr() A

	// RemoteAddr returns the address of the peer if the socket is connected, otherwise the zero A. It goes on working
	// after Close.
	RemoteAddr() A

	// Done is closed when both halves have ended and the socket is closed.
	Done() <-chan struct{}

	// Shutdown ends In once what has arrived has been received, with servers.ErrShutdown if the socket listens and
	// net.ErrClosed if it was dialled, and waits until the socket is closed by whoever uses it. When ctx ends first it
	// aborts and returns ctx's cause (G18). On a socket that never goes quiet, what has arrived is what up to 256 more
	// system calls bring.
	Shutdown(ctx context.Context) error

	// Stats returns what has been counted so far. It goes on working after Close.
	Stats() PacketStats

	// SyscallConn returns the descriptor of the socket, for options that its configuration has no field for.
	SyscallConn() (syscall.RawConn, error)

	// String describes the socket: its transport and addresses, and what it has received and sent.
	String() string
}

// Multicast is the membership of a socket in groups of receivers (RFC 1112, RFC 3810). The methods do not block and are
// for any goroutine.
type Multicast interface {
	// Join has the socket receive what is sent to a group on its port, and only from the groups that it joined. ifi is the
	// interface to receive on; nil leaves the choice to the system. Groups of IPv4 want a socket of IPv4 or both
	// families, those of IPv6 one that is not of IPv4 alone.
	Join(group netip.Addr, ifi *net.Interface) error

	// Leave takes a Join with the same arguments back.
	Leave(group netip.Addr, ifi *net.Interface) error
}

// PacketStats counts what went through a socket of datagrams. The counts are of datagrams if not said otherwise, and
// start at 0.
type PacketStats struct {
	Received      uint64 // taken from the kernel; some may lie in In
	ReceivedBytes uint64 // their payloads
	Reads         uint64 // system calls that they took
	Truncated     uint64 // of them larger than MaxDatagram
	Dropped       int64  // by the kernel for want of room in its buffer, modulo 2³²; -1 where it does not tell
	Sent          uint64 // given to the kernel
	SentBytes     uint64 // their payloads
	Writes        uint64 // system calls that they took
	Lost          uint64 // accepted by Out and refused by the kernel, or reported as unreachable
}
