package chanio

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// Packet is a datagram with the address of the peer that it came from or goes to.
type Packet struct {
	Addr netip.AddrPort // the peer; on a connected socket the zero AddrPort means its peer
	Data []byte         // the payload, owned by its receiver
}

// PacketConn is a UDP socket (RFC 768) as a typed stream of datagrams, made by servers.ListenUDP and clients.DialUDP.
// In yields those that arrive, and Out sends each [Packet] to its Addr:
//
//	for p := range conn.In.C(ctx) {
//		err := conn.Out.Send(ctx, chanio.Packet{Addr: p.Addr, Data: reply(p.Data)})
//
// A listening socket receives from anybody and sends to anybody. A connected one has a peer: it receives from nobody
// else, and the Addr of a packet sent is zero or the peer's.
//
// In reads when somebody asks, and then whatever has arrived: 32 messages in one system call on Linux. What one call has
// brought is at hand for [Source.TryRecv]. Each payload belongs to its receiver; small ones share memory that is never
// reused. IPv4 addresses are plain, also on a socket of both families. Closing In drops what it has buffered; what
// arrives afterwards is dropped by the kernel.
//
// Out sends what it is given with few system calls, by the rules of a [Conn]: datagrams wait only while In has more at
// hand or Out is corked, and no longer than the coalescing delay. [Sink.SendAll] sends up to 64 with one call. A Send
// waits for room if the kernel takes no more; 256 datagrams or 256 KiB are queued at most. A Send refuses what can never
// leave: a payload over the limit, 65,507 bytes to an IPv4 address and 65,527 to an IPv6 one, with an error that is
// syscall.EMSGSIZE, and an Addr that this socket cannot send to. Nothing has been sent then and nothing ends. (A value
// from a channel of Out.C that is refused closes Out, since nobody else can be told.)
//
// A datagram that was accepted and that the kernel then refuses, because there is no route to its address for instance,
// is lost: it is counted, and the next Flush or Close returns the first such error. The same holds when the network
// reports (by ICMP) to a connected socket that a datagram found nobody listening, which is syscall.ECONNREFUSED, or did
// not get there. Nothing ends because of that and Recv goes on waiting: the peer may be restarting, the report is about
// one datagram, and anybody could have forged it. A caller that awaits a reply bounds the wait by a ctx.
//
// UDP has no end of a stream. Out.Close sends what is queued and returns an error that is errors.ErrUnsupported, because
// the peer cannot be told; In goes on. Close of the whole is no error, and returns when the socket is closed. Abort
// discards what is queued and ends both halves. The socket is closed when both halves have ended.
//
// One type serves both kinds, as net.UDPConn does, so that code for one works with the other. A PacketConn can also be
// put together from other implementations of its parts; none of them may be nil.
type PacketConn struct {
	Duplex[Packet, Packet]
	PacketSocket[netip.AddrPort]
	Multicast
}

// PacketSocket is what a datagram socket has besides its two halves. A is its type of addresses. The methods are for any
// goroutine.
type PacketSocket[A any] interface {
	// LocalAddr returns the address that the socket is bound to, also after Close. Its IP may be unspecified.
	LocalAddr() A

	// RemoteAddr returns the address of the peer if the socket is connected, otherwise the zero A, also after Close.
	RemoteAddr() A

	// Done is closed when both halves have ended and the socket is closed.
	Done() <-chan struct{}

	// Shutdown ends In once what has arrived has been received, with servers.ErrShutdown if the socket listens and
	// net.ErrClosed if it was dialled. It waits until the user of the socket has closed it. When ctx ends first, Shutdown
	// aborts and returns [Cause] of ctx. On a socket that never goes quiet, what up to 256 more system calls bring counts
	// as arrived.
	Shutdown(ctx context.Context) error

	// Stats returns the counts so far, also after Close.
	Stats() PacketStats

	// SyscallConn returns the descriptor of the socket, for options that its configuration does not have.
	SyscallConn() (syscall.RawConn, error)

	// String describes the socket: its transport and addresses, and what it has received and sent.
	String() string
}

// Multicast is the membership of a socket in groups of receivers (RFC 1112, RFC 3810). The methods do not block and are
// for any goroutine.
type Multicast interface {
	// Join makes the socket receive what is sent to a group on its port. It receives from no group that it has not
	// joined. ifi is the interface to receive on; nil leaves the choice to the system. An IPv4 group needs a socket of
	// IPv4 or of both families, an IPv6 group one that is not of IPv4 alone.
	Join(group netip.Addr, ifi *net.Interface) error

	// Leave undoes a Join with the same arguments.
	Leave(group netip.Addr, ifi *net.Interface) error
}

// PacketStats counts what went through a datagram socket, in datagrams unless a field says otherwise.
type PacketStats struct {
	Received      uint64 // taken from the kernel; some may lie in In
	ReceivedBytes uint64 // their payloads
	Reads         uint64 // system calls that received them
	Truncated     uint64 // received ones that were larger than MaxDatagram
	Dropped       int64  // by the kernel because its buffer was full, modulo 2³²; -1 where it does not tell
	Sent          uint64 // given to the kernel
	SentBytes     uint64 // their payloads
	Writes        uint64 // system calls that sent them
	Lost          uint64 // accepted by Out and refused by the kernel, or reported as unreachable
}
