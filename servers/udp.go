package servers

import (
	"net"
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
		KeepTruncated: cfg.KeepTruncated, NoOffload: cfg.NoOffload, Shutdown: ErrShutdown,
	}
}

// ListenUDP binds a UDP socket to addr, which is host:port: without a host to all addresses of both families, with an
// IPv4 host to that family alone, and with port 0 to a free port that LocalAddr tells. cfg may be nil. It starts no
// goroutine, and what arrives waits in the kernel's buffer until somebody receives. The caller closes the PacketConn.
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one. ListenUDP(":0", nil)
// takes a free port of all addresses.
func ListenUDP(addr string, cfg *UDPConfig) (*chanio.PacketConn, error) {
	if cfg == nil {
		cfg = &UDPConfig{}
	}
	uc, err := cfg.options().Listen(addr)
	if err != nil {
		return nil, datagram.Explain("servers", err)
	}
	return datagram.New(uc, cfg.datagram()).PacketConn(), nil
}
