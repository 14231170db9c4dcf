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

// Config configures a server of streams: TCP, TLS, Unix domain sockets, and listeners created elsewhere. A nil *Config
// and the zero value use the defaults. A Listener copies its Config, so the caller may change and reuse it.
//
// For a limit or a duration, 0 means the default given in its comment, and a negative value means none: no limit, no
// wait, no timeout.
type Config struct {
	// Conn configures each connection: its linger bound, coalescing, idle and write timeouts.
	Conn chanio.ConnConfig

	// TLS, if not nil, secures the connections. Serve and Conns deliver a connection only after its handshake; see
	// [ListenTLS].
	TLS *TLSConfig

	// MaxConns limits the number of open connections. At the limit, no connection is accepted until one has been
	// released; new ones wait in the kernel's backlog. 0 means no limit except the process's descriptors. When
	// descriptors run out, accepting waits and nothing is lost, so choose a limit by what one connection costs the
	// program.
	MaxConns int

	// MaxPerIP limits the open connections of one peer: an IPv4 address, or the first 64 bits of an IPv6 address, which
	// one subscriber usually owns. Further connections are accepted and reset, and Hooks.Refused is called. 0 means no
	// limit. Peers on a Unix socket have no address unless a balancer sends one.
	MaxPerIP int

	// ProxyFrom lists the networks of load balancers that start each connection with a PROXY protocol header, version 1
	// or 2. LocalAddr and RemoteAddr of the Conn are then those of the header, MaxPerIP counts by them, and
	// [Listener.ProxyHeader] returns the header. The header precedes TLS. A connection from these networks without a
	// header is refused, and Hooks.HandshakeFailed is called. Connections from other networks are never parsed for a
	// header, so clients cannot forge one. nil means no balancers. A prefix of IPv4-mapped addresses counts as an IPv4
	// prefix.
	ProxyFrom []netip.Prefix

	// ProxyAlways requires the header on every connection, regardless of its source. It is for a Unix socket or a port that
	// only a balancer can reach.
	ProxyAlways bool

	// ProxyTimeout is the time within which the header must arrive. 0 means 10 s.
	ProxyTimeout time.Duration

	// MaxHandshakes limits the TLS handshakes and PROXY headers in progress, including finished ones whose connections
	// have not been received from Conns yet. At the limit, the next connection waits. If none finishes, the oldest
	// handshake of the peer with the most is ended once it is at least a second old, so silent peers cannot stop the
	// server from accepting; at MaxConns, a handshake whose peer has been silent for a second is ended as well. 0 means
	// 1,024.
	MaxHandshakes int

	// FirstByte is how long a shutdown waits for a connection that has not sent a byte, unless it was accepted that long
	// before: its request may be on the way, and is then served. 0 means 200 ms.
	FirstByte time.Duration

	// KeepAlive is both the idle time before the kernel sends the first TCP keep-alive probe and the interval between
	// probes. The ninth unanswered probe ends the connection. There are no probes while sent data is unacknowledged:
	// the kernel sends it again and gives up by itself, on Linux after about 15 minutes or the TCP_USER_TIMEOUT that
	// Control has set, which also ends a connection to a live peer that does not read for that long. 0 means 15 s;
	// negative turns probes off. It has no effect on connections other than TCP.
	KeepAlive time.Duration

	// Delay enables Nagle's algorithm (it clears TCP_NODELAY): the kernel holds a small segment back while another is
	// unacknowledged. It is off by default because connections coalesce writes themselves. It has no effect on
	// connections other than TCP.
	Delay bool

	// ReusePort sets SO_REUSEPORT, so that several sockets of this user, in any process, can listen on the same
	// address. The kernel distributes connections among them, on Linux by address. Each socket has its own backlog, and
	// closing a socket loses the connections in its backlog; use [HandOver] to replace a server. TCP only, and not on
	// Windows.
	ReusePort bool

	// Control, if not nil, is called with the listening socket before it is bound, as in [net.ListenConfig]. Use it to
	// set socket options that have no field here. TCP only.
	Control func(network, address string, c syscall.RawConn) error

	// Mode is the permission bits of a Unix socket's file, such as 0o660 to admit its user and group. They are set
	// before any client can connect. 0 leaves them to the umask, which usually admits only the server's own user.
	// ListenUnix only.
	Mode fs.FileMode

	// Wrap, if not nil, is called with each accepted connection, before TLS, and returns the connection to use instead,
	// for example one that logs traffic ([chanio.LogActivity]), counts it or limits it. It must not block. The returned
	// connection must have a fixed RemoteAddr; [chanio.NewConn] documents what else it needs and costs. If Wrap returns
	// nil or panics, the connection is closed.
	Wrap func(net.Conn) net.Conn

	// Hooks, if not nil, observes connections.
	Hooks *Hooks

	// Logger receives events that are not returned as errors. Warnings concern this program and its machine: errors of
	// handlers, failing accepts, unreadable certificates. Errors are panics. Actions of peers, such as a reset, garbage
	// or a failed handshake, are logged at Info, or at Debug if the peer never sent a byte, as health checks do. Such
	// lines are rate-limited, and a count replaces those left out. In all packages of this module the attributes local
	// and peer are the addresses of a connection, and err is an error. nil means no logging.
	Logger *slog.Logger
}

const (
	defaultFirstByte    = 200 * time.Millisecond
	defaultProxyTimeout = 10 * time.Second
	defaultHandshakes   = 1024
)

// complete returns a copy of cfg with the defaults in place of zeros. It rejects invalid settings.
func (cfg *Config) complete() (Config, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	silent := c.Logger == nil
	c.Logger = guard.Logger(c.Logger)
	if c.Conn.Logger == nil && !silent {
		c.Conn.Logger = c.Logger
	}
	c.FirstByte = cmp.Or(c.FirstByte, defaultFirstByte)
	c.ProxyTimeout = cmp.Or(c.ProxyTimeout, defaultProxyTimeout)
	c.MaxHandshakes = cmp.Or(c.MaxHandshakes, defaultHandshakes)
	c.Conn.Linger = max(cmp.Or(c.Conn.Linger, chanio.DefaultLinger), 1) // as good as none for a negative one
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

// unmapped returns p with an IPv4-mapped prefix converted to an IPv4 prefix.
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

// errOnlyUnix rejects a Mode for listeners other than ListenUnix.
var errOnlyUnix = errors.New("servers: listen: Mode is for ListenUnix: other listeners have no file")
