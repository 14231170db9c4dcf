package servers

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/guard"
	"github.com/weir-go/weir/internal/socket"
)

// Config says how a server of streams behaves: TCP, TLS, Unix domain sockets, and listeners from elsewhere. The zero value,
// and nil, mean the defaults. It is copied when a Listener is made of it, so it may be changed and used again.
//
// For a limit or a duration, 0 means the default that its comment gives, and negative that there is none: no limit, no
// wait, no timeout.
type Config struct {
	// Conn is how each connection behaves: its linger bound, coalescing, idle and write timeouts.
	Conn chanio.ConnConfig

	// TLS, if not nil, secures the connections. Those that Serve and Conns give out have been through their handshakes; see
	// [ListenTLS].
	TLS *TLSConfig

	// MaxConns is how many connections may be open at once. When there are so many, none is accepted until one has been
	// released, and newcomers wait in the backlog of the kernel. 0 means no limit but that of the process's descriptors:
	// the right number is a matter of what one connection costs the program, and when descriptors run out nothing is
	// lost, accepting only waits.
	MaxConns int

	// MaxPerIP is how many connections one peer may have open at once: one IPv4 address, or the first 64 bits of an IPv6
	// address, which is what one subscriber commonly has. One more is accepted and reset, which Hooks.Refused tells.
	// 0 means no limit. Peers on a Unix socket have no address, unless a balancer tells it.
	MaxPerIP int

	// ProxyFrom is where balancers are that begin each connection with a header of the PROXY protocol, version 1 or 2:
	// LocalAddr and RemoteAddr of the Conn are then what the header says, MaxPerIP counts by that, and
	// [Listener.ProxyHeader] has the rest. The header comes before TLS. A connection of theirs without one is refused,
	// which Hooks.HandshakeFailed tells; connections from elsewhere are taken as they are, so nobody else can pretend. nil
	// means that there are none. A prefix of IPv4-mapped addresses counts as one of IPv4.
	ProxyFrom []netip.Prefix

	// ProxyAlways expects the header on every connection, wherever it comes from: on a Unix socket, or a port, that only a
	// balancer can reach.
	ProxyAlways bool

	// ProxyTimeout is how long the header may take. 0 means 10 s.
	ProxyTimeout time.Duration

	// MaxHandshakes is how many TLS handshakes and PROXY headers may be under way at once, those of connections that
	// nobody has asked Conns for yet included. One more waits until one is over. If none is, the oldest of the peer that
	// has the most is ended to make room, once it has had a second: silent peers cannot stop all accepting. 0 means 1024.
	MaxHandshakes int

	// FirstByte is how long a shutdown waits for a connection that has not sent a byte, since it was accepted: what its peer
	// has sent may be on the way, and is served. 0 means 200 ms.
	FirstByte time.Duration

	// KeepAlive is how long a connection is idle before the kernel asks whether the peer is still there, and the time
	// between its questions, of which the ninth without an answer ends the connection. 0 means 15 s, negative that it never
	// asks. It means nothing to connections that are not of TCP.
	KeepAlive time.Duration

	// Delay turns Nagle's algorithm on (TCP_NODELAY off): the kernel holds a small segment back while another is under
	// way. Connections coalesce on their own, so the default is off. It means nothing to connections that are not of TCP.
	Delay bool

	// ReusePort lets several sockets that ask for it, of this process or others of its user, listen on the same address.
	// The kernel spreads the connections among them, on Linux by their addresses, and each has a backlog of its own, whose
	// connections are lost when it is closed: [HandOver] is the way to replace a server. TCP only, and not on Windows.
	ReusePort bool

	// Control, if not nil, is called with the listening socket before it is bound, as in [net.ListenConfig]. It is the
	// way to set an option that has no field here. TCP only.
	Control func(network, address string, c syscall.RawConn) error

	// Mode is who may connect to a Unix socket: the permission bits of its file, such as 0o660 for its user and group. The
	// file has them before anybody can connect. 0 means what the umask leaves, which commonly lets the server's own user
	// connect and nobody else. ListenUnix only.
	Mode fs.FileMode

	// Wrap, if not nil, is called with each connection as it was accepted, before TLS, and returns what is used in its
	// place: one that logs what passes, [chanio.LogActivity], or counts or limits it. It must not block. What it returns
	// has the same RemoteAddr at all times; [chanio.NewConn] says what it needs and what it costs. If it returns nil or
	// panics the connection is closed.
	Wrap func(net.Conn) net.Conn

	// Hooks, if not nil, are told what happens to connections.
	Hooks *Hooks

	// Logger is told of what nobody else is told. Warnings are about this program and its machine: errors of handlers,
	// trouble with accepting, certificates that cannot be read. Errors are panics. What peers do, such as a reset, garbage
	// or a failed handshake, is Info, and Debug if they never sent a byte, as health checks of balancers; many such lines in
	// a short time are counted instead. nil means silence.
	Logger *slog.Logger
}

const (
	defaultFirstByte    = 200 * time.Millisecond
	defaultProxyTimeout = 10 * time.Second
	defaultHandshakes   = 1024
)

// complete returns a copy of cfg with the defaults in the place of zeros. It refuses what cannot be.
func (cfg *Config) complete() (Config, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	c.Logger = guard.Logger(c.Logger)
	c.FirstByte = cmp.Or(c.FirstByte, defaultFirstByte)
	c.ProxyTimeout = cmp.Or(c.ProxyTimeout, defaultProxyTimeout)
	c.MaxHandshakes = cmp.Or(c.MaxHandshakes, defaultHandshakes)
	c.Conn.Linger = max(cmp.Or(c.Conn.Linger, chanio.DefaultLinger), 0)
	hooks := Hooks{}
	if c.Hooks != nil {
		hooks = *c.Hooks
	}
	c.Hooks = &hooks
	c.ProxyFrom = slices.Clone(c.ProxyFrom)
	for i, p := range c.ProxyFrom {
		var err error
		if c.ProxyFrom[i], err = unmapped(p); err != nil {
			return c, err
		}
	}
	return c, nil
}

// unmapped returns p as prefixes of addresses are compared: one of IPv4-mapped addresses as one of IPv4.
func unmapped(p netip.Prefix) (netip.Prefix, error) {
	switch {
	case !p.IsValid():
		return p, errors.New("servers: ProxyFrom contains the zero Prefix, which matches nothing")
	case !p.Addr().Is4In6():
		return p, nil
	case p.Bits() < 96:
		return p, fmt.Errorf("servers: ProxyFrom has %s, which is neither of IPv4 nor of IPv6 addresses", p)
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96), nil
}

func (cfg *Config) socket() socket.Options {
	return socket.Options{KeepAlive: cfg.KeepAlive, Delay: cfg.Delay, ReusePort: cfg.ReusePort, Control: cfg.Control}
}

// errOnlyUnix refuses a Mode where there is no file.
var errOnlyUnix = errors.New("servers: listen: Mode is for ListenUnix: there is no file here that it could be for")
