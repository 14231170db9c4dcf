package chanio

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// Packet is a datagram with the address of its peer: the sender of a received one, the receiver of one to send.
type Packet struct {
	Addr netip.AddrPort // the peer; on a connected socket the zero AddrPort means its peer
	Data []byte         // the payload, owned by its receiver
}

// PacketConn is a UDP socket (RFC 768) as a typed stream of datagrams, made by servers.ListenUDP and clients.DialUDP.
// In yields received datagrams, and Out sends each [Packet] to its Addr:
//
//	for p := range conn.In.C(ctx) {
//		err := conn.Out.Send(ctx, chanio.Packet{Addr: p.Addr, Data: reply(p.Data)})
//
// A listening socket exchanges datagrams with any peer. A connected one receives only from its peer, and the Addr of a
// packet sent must be zero or the peer's.
//
// In reads when a receiver asks, and then takes whatever has arrived: up to 32 messages in one system call on Linux.
// They are then at hand for [Source.TryRecv]. The receiver owns each payload; small ones share memory that is never
// reused. IPv4 addresses are in 4-byte form, even on a socket of both families. Closing In drops buffered datagrams,
// and the kernel drops those that arrive later.
//
// Out batches system calls by the rules of a [Conn]: a datagram waits only while In has more at hand or Out is corked,
// and no longer than the coalescing delay. [Sink.SendAll] sends up to 64 datagrams with one call. At most 256 datagrams
// or 256 KiB are queued; while the kernel accepts no more, Send waits for room. Send rejects what cannot be sent: a
// payload over 65,507 bytes to an IPv4 or 65,527 bytes to an IPv6 address, with an error that matches syscall.EMSGSIZE,
// and an Addr that the socket cannot reach. Nothing has been sent then, and the stream continues. (A rejected value
// from a channel of Out.C closes Out, because no caller could receive the error.)
//
// A datagram that was accepted but that the kernel then refuses, for example for lack of a route, is lost and counted,
// and the next Flush or Close returns the first such error. The same applies when the network reports to a connected
// socket, by ICMP, that a datagram found no listener (syscall.ECONNREFUSED) or was not delivered; the socket notices
// that with its next send or receive. The stream continues and Recv keeps waiting: the peer may be restarting, the
// report concerns one datagram, and anyone can forge it. A caller that expects a reply should bound its wait with ctx.
//
// UDP cannot signal the end of a stream. Out.Close sends what is queued and returns an error that matches
// errors.ErrUnsupported; In continues. Close of the PacketConn returns nil once the socket is closed. Abort discards
// what is queued and ends both halves. The socket is closed when both halves have ended.
//
// One type serves listening and connected sockets, as net.UDPConn does. A PacketConn can also be assembled from other
// implementations of its parts, none of which may be nil.
type PacketConn struct {
	Duplex[Packet, Packet]
	PacketSocket[netip.AddrPort]
	Multicast
}

// PacketSocket is the part of a datagram socket besides its two halves. A is its address type. The methods are safe for
// concurrent use.
type PacketSocket[A any] interface {
	// LocalAddr returns the address that the socket is bound to, also after Close. Its IP may be unspecified.
	LocalAddr() A

	// RemoteAddr returns the address of the peer if the socket is connected, otherwise the zero A, also after Close.
	RemoteAddr() A

	// Done is closed when both halves have ended and the socket is closed.
	Done() <-chan struct{}

	// Shutdown ends In after what has arrived, with servers.ErrShutdown on a listening socket and net.ErrClosed on a
	// dialed one. It waits until the user of the socket has closed it. If ctx ends first, Shutdown aborts and returns
	// [Cause] of ctx. On a busy socket, what up to 256 further system calls return counts as arrived.
	Shutdown(ctx context.Context) error

	// Stats returns the counts so far, also after Close.
	Stats() PacketStats

	// SyscallConn returns the raw descriptor of the socket, for options that its configuration does not offer.
	SyscallConn() (syscall.RawConn, error)

	// String describes the socket: its transport, addresses, and counts.
	String() string
}

// Multicast manages a socket's membership of multicast groups (RFC 1112, RFC 3810). The methods do not block and are
// safe for concurrent use.
type Multicast interface {
	// Join makes the socket receive packets sent to a group on its port. It receives only from groups that it has
	// joined. ifi is the interface to receive on; nil lets the system choose. An IPv4 group needs a socket of IPv4 or
	// of both families, an IPv6 group one that is not IPv4 only.
	Join(group netip.Addr, ifi *net.Interface) error

	// Leave undoes a Join with the same arguments.
	Leave(group netip.Addr, ifi *net.Interface) error
}

// PacketStats counts the traffic of a datagram socket, in datagrams unless a field says otherwise.
type PacketStats struct {
	Received      uint64 // taken from the kernel; some may still be in In
	ReceivedBytes uint64 // their payloads
	Reads         uint64 // system calls that received them
	Truncated     uint64 // received ones that were larger than MaxDatagram
	Dropped       int64  // by the kernel because its buffer was full, modulo 2³²; -1 if unknown; those joined by offload count as one
	Sent          uint64 // given to the kernel
	SentBytes     uint64 // their payloads
	Writes        uint64 // system calls that sent them
	Lost          uint64 // accepted by Out and refused by the kernel, or reported as unreachable
}
