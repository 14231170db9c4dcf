package clients

import (
	"context"
	"fmt"
	"net"
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

// DialUDP makes a UDP socket whose peer is addr, host:port, and which the caller closes. Nothing is sent by that, so a
// peer that is not there is not noticed. If the host has several addresses, the first that this machine has a route for
// is taken. cfg may be nil. ctx bounds the look-up only: when it ends, DialUDP returns its cause, and once DialUDP has returned it matters no more.
// To send to several addresses use servers.ListenUDP(":0", nil).
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one; when the timeout has passed it
// is os.ErrDeadlineExceeded.
func DialUDP(ctx context.Context, addr string, cfg *UDPConfig) (*chanio.PacketConn, error) {
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
	return datagram.New(uc, cfg.datagram()).PacketConn(), nil
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
		uc, err := cfg.options().Dial(ctx, to.String(), local)
		if err == nil || ctx.Err() != nil {
			return uc, err
		}
		failed = append(failed, err)
	}
	return nil, failed.err()
}
