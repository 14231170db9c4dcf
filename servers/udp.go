package servers

import (
	"net"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/datagram"
)

// UDPConfig configures a UDP socket. A nil *UDPConfig and the zero value use the defaults.
type UDPConfig struct {
	// Coalesce is how long a datagram may wait to be sent together with others in one system call. It applies only
	// while In has datagrams at hand or Out is corked. 0 means 200 µs; negative turns it off.
	Coalesce time.Duration

	// Linger is how long Close waits while the kernel accepts no data. 0 means [chanio.DefaultLinger].
	Linger time.Duration

	// MaxDatagram is the largest payload, in bytes, that is received whole. 0 means any. A limit reduces the buffers
	// that a socket borrows while datagrams are at hand: 32 times MaxDatagram, or 2 MiB without a limit.
	MaxDatagram int

	// KeepTruncated delivers the first MaxDatagram bytes of larger datagrams. By default they are dropped, because a
	// partial message is rarely useful. Stats counts them in both cases.
	KeepTruncated bool

	// NoOffload disables segmentation and receive offload (Linux: UDP_SEGMENT, UDP_GRO), with which the kernel splits
	// one large buffer into datagrams for an address, or joins datagrams from one. It affects speed only. A network
	// card that rejects offload is detected.
	NoOffload bool

	// ReadBuffer and WriteBuffer are the sizes of the kernel's buffers in bytes. 0 means the system's default, about
	// 200 KiB on Linux; the system also has a maximum (net.core.rmem_max). Datagrams that do not fit in the read buffer
	// are dropped.
	ReadBuffer, WriteBuffer int

	// TTL is the number of routers that a datagram may pass (for IPv6 the hop limit, RFC 8200). 0 means the system's
	// default.
	TTL int

	// TOS is the type-of-service or traffic-class octet: the DSCP (RFC 2474) times 4. 0 means the default.
	TOS int

	// Broadcast permits sending to broadcast addresses. It is off by default to prevent accidental broadcasts.
	Broadcast bool

	// ReusePort lets other sockets that also set it bind the same address. Each then receives the datagrams of some
	// peers, and all multicasts. Not on Windows.
	ReusePort bool

	// MulticastInterface is the interface for outgoing multicasts. nil means that the system chooses.
	MulticastInterface *net.Interface

	// MulticastTTL is the TTL of outgoing multicasts. 0 means the system's default of 1, which keeps them on the local
	// network.
	MulticastTTL int

	// MulticastNoLoopback stops outgoing multicasts from being delivered to sockets of this host.
	MulticastNoLoopback bool

	// Control, if not nil, is called with the socket before it is bound, as in [net.ListenConfig]. Use it to set socket
	// options that have no field here.
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

// ListenUDP binds a UDP socket to addr, in the form host:port. Without a host it binds all addresses of both families;
// an IPv4 host binds that family only. Port 0 means a free port, which LocalAddr reports. cfg may be nil. ListenUDP
// starts no goroutine. Datagrams wait in the kernel's buffer until they are received. The caller must close the
// PacketConn.
//
// The error wraps a [*net.OpError]. For common mistakes its text suggests a remedy. ListenUDP(":0", nil) uses a free
// port on all addresses.
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
