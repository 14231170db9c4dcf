package clients

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/datagram"
)

// UDPConfig says how a connected UDP socket is made and how it behaves. The zero value, and nil, mean the defaults.
type UDPConfig struct {
	// Timeout is how long it may take to look up the host. 0 means 30 s, negative no limit but ctx's.
	Timeout time.Duration

	// Resolver finds the addresses of the host. nil means the system's.
	Resolver Resolver

	// LocalAddr is the address to send from, host:port. An empty host or port 0 leaves that to the system, as does "".
	LocalAddr string

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

	// NoOffload stops the kernel from cutting what is sent into datagrams, and from joining what is received, on its
	// way through the stack (Linux: UDP_SEGMENT, UDP_GRO). It changes nothing but speed. A network card that refuses it is
	// noticed.
	NoOffload bool

	// ReadBuffer and WriteBuffer are the sizes of the kernel's buffers in bytes. 0 means the system's default, some
	// 200 KiB on Linux; the system has a maximum too (net.core.rmem_max). What the read buffer has no room for is dropped.
	ReadBuffer, WriteBuffer int

	// TTL is how many routers a datagram may pass, its hop limit (RFC 8200) if it is IPv6. 0 means the system's default.
	TTL int

	// TOS is the octet of type of service, or traffic class: the DSCP (RFC 2474) times 4. 0 means the default.
	TOS int

	// Broadcast permits a broadcast address as the peer. Replies come from other addresses, so they are not received here.
	Broadcast bool

	// MulticastInterface is the interface that datagrams are sent from if the peer is a multicast group. nil leaves it to
	// the system.
	MulticastInterface *net.Interface

	// MulticastTTL is the TTL of multicasts. 0 means the system's default, 1: they stay on the local network.
	MulticastTTL int

	// MulticastNoLoopback keeps multicasts from the sockets of this host.
	MulticastNoLoopback bool

	// Control, if not nil, is called with the socket before it is connected, as in [net.Dialer]. It is the way to set an
	// option that has no field here.
	Control func(network, address string, c syscall.RawConn) error
}

func (cfg *UDPConfig) options() datagram.Options {
	return datagram.Options{
		ReadBuffer: cfg.ReadBuffer, WriteBuffer: cfg.WriteBuffer, TTL: cfg.TTL, TOS: cfg.TOS, Broadcast: cfg.Broadcast,
		MulticastInterface: cfg.MulticastInterface, MulticastTTL: cfg.MulticastTTL,
		MulticastNoLoopback: cfg.MulticastNoLoopback, Control: cfg.Control,
	}
}

func (cfg *UDPConfig) datagram() datagram.Config {
	return datagram.Config{
		Coalesce: cfg.Coalesce, Linger: cfg.Linger, MaxDatagram: cfg.MaxDatagram,
		KeepTruncated: cfg.KeepTruncated, NoOffload: cfg.NoOffload,
	}
}

func (cfg *UDPConfig) timeout() time.Duration {
	if cfg.Timeout == 0 {
		return defaultTimeout
	}
	return cfg.Timeout
}

// UDPConn is a connected UDP socket (RFC 768) as a typed stream of datagrams: In yields what the peer sends, and nobody
// else, and Out sends to the peer. The Addr of a packet sent is zero or the peer's.
//
// In reads when somebody asks, and then whatever has arrived: 32 messages in one system call on Linux. Each payload
// belongs to its receiver; small ones share memory that is never used again.
//
// Out takes what one Send after the other gives it and sends it with few system calls, by the rules of a
// [chanio.Conn]: datagrams wait only while In has more at hand or Out is corked, and no longer than the coalescing
// delay. A Send waits for room if the kernel takes no more; 256 datagrams or 256 KiB are queued at most. A Send refuses
// a payload over the limit, 65,507 bytes to an IPv4 address and 65,527 to an IPv6 one, with an error that is
// syscall.EMSGSIZE. Nothing has been sent then and nothing ends. (A value that is refused of a channel of Out.C closes
// Out, since nobody else can be told.)
//
// A datagram that was accepted and that the kernel then refuses is lost: it is counted, and the next Flush or Close
// returns the first such error. The same is done when the network reports (by ICMP) that a datagram found nobody
// listening, which is syscall.ECONNREFUSED, or did not get there. Nothing ends because of it and Recv goes on waiting:
// the peer may be restarting, the report is about a datagram, and anybody could have forged it. Whoever awaits a reply
// bounds the wait by a ctx.
//
// UDP has no end of a stream. Out.Close sends what is queued and returns an error that is errors.ErrUnsupported,
// because the peer cannot be told; In goes on. Close of the whole is no error. Abort discards what is queued and ends
// both halves, and the socket is closed when both have ended.
type UDPConn struct {
	chanio.Duplex[chanio.Packet, chanio.Packet]
	c *datagram.Conn
}

// DialUDP makes a UDP socket whose peer is addr, host:port, and which the caller closes. Nothing is sent by that, so a
// peer that is not there is not noticed. If the host has several addresses the first is taken. cfg may be nil. ctx
// bounds the look-up only: when it ends, DialUDP returns its cause, and once DialUDP has returned it matters no more.
// To send to several addresses use servers.ListenUDP(":0", nil).
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one; when the timeout has passed it
// is os.ErrDeadlineExceeded.
func DialUDP(ctx context.Context, addr string, cfg *UDPConfig) (*UDPConn, error) {
	if cfg == nil {
		cfg = &UDPConfig{}
	}
	var local *net.UDPAddr
	if cfg.LocalAddr != "" {
		var err error
		if local, err = net.ResolveUDPAddr("udp", cfg.LocalAddr); err != nil {
			return nil, datagram.Explain("clients: LocalAddr", &net.OpError{Op: "dial", Net: "udp", Err: err})
		}
	}
	uc, err := dialUDP(ctx, addr, local, cfg)
	if err != nil {
		return nil, datagram.Explain("clients", err)
	}
	c := datagram.New(uc, cfg.datagram())
	return &UDPConn{Duplex: c.Duplex, c: c}, nil
}

// dialUDP dials within the timeout. An error because of that, or of the end of ctx, has the reason.
func dialUDP(ctx context.Context, addr string, local *net.UDPAddr, cfg *UDPConfig) (*net.UDPConn, error) {
	if d := cfg.timeout(); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, fmt.Errorf("no address within %v: %w", d, os.ErrDeadlineExceeded))
		defer cancel()
	}
	uc, err := cfg.lookupAndDial(ctx, addr, local)
	if err != nil {
		return nil, dialError(ctx, "udp", err)
	}
	return uc, nil
}

func (cfg *UDPConfig) lookupAndDial(ctx context.Context, addr string, local *net.UDPAddr) (*net.UDPConn, error) {
	if cfg.Resolver != nil {
		var from net.IP
		if local != nil {
			from = local.IP
		}
		remotes, err := resolve(ctx, cfg.Resolver, "udp", addr, from)
		if err != nil {
			return nil, err
		}
		addr = remotes[0].String()
	}
	return cfg.options().Dial(ctx, addr, local)
}

// LocalAddr returns the address that datagrams are sent from. It goes on working after Close.
func (u *UDPConn) LocalAddr() netip.AddrPort { return u.c.LocalAddr() }

// RemoteAddr returns the address of the peer. It goes on working after Close.
func (u *UDPConn) RemoteAddr() netip.AddrPort { return u.c.RemoteAddr() }

// Done is closed when both halves have ended and the socket is closed.
func (u *UDPConn) Done() <-chan struct{} { return u.c.Done() }

// SyscallConn returns the descriptor of the socket, for options that have no field here.
func (u *UDPConn) SyscallConn() (syscall.RawConn, error) { return u.c.UDPConn().SyscallConn() }

// Stats returns what has been counted so far. It goes on working after Close.
func (u *UDPConn) Stats() UDPStats { return UDPStats(u.c.Stats()) }

// String describes the socket: its transport and addresses, and what it has received and sent.
func (u *UDPConn) String() string {
	s := u.Stats()
	return fmt.Sprintf("udp %s to %s (%s, %d received, %d sent)",
		u.LocalAddr(), u.RemoteAddr(), u.c.State(), s.Received, s.Sent)
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
