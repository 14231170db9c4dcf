package clients

import (
	"cmp"
	"context"
	"net"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/datagram"
	"github.com/weir-go/weir/internal/eof"
)

// UDPConfig configures a connected UDP socket. A nil *UDPConfig and the zero value use the defaults.
type UDPConfig struct {
	// Timeout limits the time to resolve the host. 0 means 30 s; negative means no limit except ctx.
	Timeout time.Duration

	// Resolver resolves the host. nil means the system's resolver.
	Resolver Resolver

	// LocalAddr is the local address to send from, in the form host:port. An empty host or port 0 lets the system
	// choose, as does "".
	LocalAddr string

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
	// one large buffer into datagrams, or joins received ones. It affects speed only. A network card that rejects
	// offload is detected.
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

	// Broadcast permits a broadcast address as the peer. Replies come from other addresses and are not received by this
	// socket.
	Broadcast bool

	// MulticastInterface is the interface for datagrams to a multicast group. nil means that the system chooses.
	MulticastInterface *net.Interface

	// MulticastTTL is the TTL of outgoing multicasts. 0 means the system's default of 1, which keeps them on the local
	// network.
	MulticastTTL int

	// MulticastNoLoopback stops outgoing multicasts from being delivered to sockets of this host.
	MulticastNoLoopback bool

	// Control, if not nil, is called with the socket before it is connected, as in [net.Dialer]. Use it to set socket
	// options that have no field here.
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

func (cfg *UDPConfig) timeout() time.Duration { return cmp.Or(cfg.Timeout, defaultTimeout) }

// DialUDP returns a UDP socket connected to addr, in the form host:port. The caller must close it. Connecting sends
// nothing, so an absent peer is not detected. If the host has several addresses, DialUDP uses the first one to which
// this machine has a route. cfg may be nil. ctx bounds only the lookup: when it ends, DialUDP returns its cause; after
// DialUDP has returned, it has no effect. To send to several addresses use servers.ListenUDP(":0", nil).
//
// The error wraps a [*net.OpError]. For common mistakes its text suggests a remedy. After a timeout it matches
// os.ErrDeadlineExceeded.
func DialUDP(ctx context.Context, addr string, cfg *UDPConfig) (*chanio.PacketConn, error) {
	if cfg == nil {
		cfg = &UDPConfig{}
	}
	ctx, cancel := within(ctx, cfg.timeout(), "no address")
	defer cancel()
	local, err := cfg.local(ctx)
	if err != nil {
		return nil, datagram.Explain("clients: LocalAddr", eof.Unexpected(dialError(ctx, "udp", err)))
	}
	uc, err := cfg.lookupAndDial(ctx, addr, local)
	if err != nil {
		return nil, datagram.Explain("clients", eof.Unexpected(dialError(ctx, "udp", err)))
	}
	return datagram.New(uc, cfg.datagram()).PacketConn(), nil
}

// local returns the address of LocalAddr, or nil if that is empty.
func (cfg *UDPConfig) local(ctx context.Context) (*net.UDPAddr, error) {
	if cfg.LocalAddr == "" {
		return nil, nil
	}
	ip, port, err := resolveLocal(ctx, "udp", cfg.LocalAddr)
	if err != nil {
		return nil, err
	}
	return &net.UDPAddr{IP: ip.AsSlice(), Port: port, Zone: ip.Zone()}, nil
}

func (cfg *UDPConfig) lookupAndDial(ctx context.Context, addr string, local *net.UDPAddr) (*net.UDPConn, error) {
	var from net.IP
	if local != nil {
		from = local.IP
	}
	remotes, err := resolve(ctx, cfg.Resolver, "udp", addr, from)
	if err != nil {
		return nil, err
	}
	var failed failures
	for _, to := range remotes {
		uc, err := cfg.options().Dial(undated{ctx}, to.String(), local)
		if err == nil || ctx.Err() != nil {
			return uc, err
		}
		failed = append(failed, err)
	}
	return nil, failed.err()
}
