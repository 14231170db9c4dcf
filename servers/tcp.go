package servers

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/socket"
)

// TCPConfig says how a TCP server behaves. The zero value, and nil, mean the defaults.
type TCPConfig struct {
	// Conn is how each connection behaves: its linger bound, coalescing, idle and write timeouts.
	Conn chanio.ConnConfig

	// MaxConns is how many connections may be open at once. When there are so many, none is accepted until one has been
	// released, and newcomers wait in the backlog of the kernel. 0 means no limit but that of the process's descriptors:
	// the right number is a matter of what one connection costs the program, and when descriptors run out nothing is
	// lost, accepting only waits.
	MaxConns int

	// MaxPerIP is how many connections one peer may have open at once: one IPv4 address, or the first 64 bits of an IPv6
	// address, which is what one subscriber commonly has. One more is accepted and reset, which Hooks.Refused tells.
	// 0 means no limit.
	MaxPerIP int

	// ProxyFrom is where balancers are that begin each connection with a header of the PROXY protocol, version 1 or 2:
	// LocalAddr and RemoteAddr of the Conn are then what the header says, and MaxPerIP counts by that. The header comes
	// before TLS, and has as long as a handshake may take. A connection of theirs without one is refused, which
	// Hooks.HandshakeFailed tells; connections from elsewhere are taken as they are, so nobody else can pretend. nil means
	// that there are none.
	ProxyFrom []netip.Prefix

	// MaxHandshakes is how many TLS handshakes may be under way at once, those of connections that nobody has asked
	// Conns for yet included. Beyond that nothing is accepted until one is over. 0 means 1024.
	MaxHandshakes int

	// KeepAlive is how long a connection is idle before the kernel asks whether the peer is still there, and the time
	// between its questions. 0 means 15 s, negative that it never asks.
	KeepAlive time.Duration

	// Delay turns Nagle's algorithm on (TCP_NODELAY off): the kernel holds a small segment back while another is under
	// way. Connections coalesce on their own, so the default is off.
	Delay bool

	// ReusePort lets several sockets that ask for it, of this process or others of its user, listen on the same address.
	// The kernel spreads the connections among them, on Linux by their addresses, and each has a backlog of its own, whose
	// connections are lost when it is closed: [HandOver] is the way to replace a server. Not on Windows.
	ReusePort bool

	// Control, if not nil, is called with the listening socket before it is bound, as in [net.ListenConfig]. It is the
	// way to set an option that has no field here.
	Control func(network, address string, c syscall.RawConn) error

	// Wrap, if not nil, is called with each connection as it was accepted, before TLS, and returns what is used in its
	// place: one that logs what passes, [chanio.LogActivity], or counts or limits it. It must not block. What it returns
	// has the same RemoteAddr at all times; [chanio.NewConn] says what it needs and what it costs.
	Wrap func(net.Conn) net.Conn

	// Hooks, if not nil, are told what happens to connections.
	Hooks *Hooks

	// Logger is told of what nobody else is told: errors that handlers return, their panics, and trouble with accepting.
	// nil means silence.
	Logger *slog.Logger
}

func (cfg *TCPConfig) socket() socket.Options {
	return socket.Options{KeepAlive: cfg.KeepAlive, Delay: cfg.Delay, ReusePort: cfg.ReusePort, Control: cfg.Control}
}

// ListenTCP listens on addr, which is host:port: without a host on all interfaces, with port 0 on a free one that
// [Listener.Addr] tells. cfg may be nil. Connections wait in the kernel's backlog until [Listener.Serve] or a receiver
// of [Listener.Conns] asks for them; the Listener itself starts no goroutine. The caller ends it with Shutdown, Close,
// or the ctx of Serve.
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one. ListenTCP is the start-server
// of aleph.tcp.
func ListenTCP(addr string, cfg *TCPConfig) (*Listener, error) {
	if cfg == nil {
		cfg = &TCPConfig{}
	}
	nl, err := cfg.socket().ListenConfig().Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, socket.Explain("servers", err)
	}
	return newListener(nl, cfg), nil
}
