package clients

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Config configures how a connection is opened and how it behaves, for TCP, TLS and Unix domain sockets. A nil *Config
// and the zero value use the defaults. It is read only during the dial, so it may be changed and reused afterwards.
//
// For a duration, 0 means the default given in its comment, and a negative value means no limit or timeout.
type Config struct {
	// Conn configures the connection: its linger bound, coalescing, idle and write timeouts.
	Conn chanio.ConnConfig

	// TLS, if not nil, secures the connection; see [DialTLS]. On a Unix socket it needs a ServerName, because a path is
	// not a host name.
	TLS *TLSConfig

	// Timeout limits the whole dial: resolving the host, trying its addresses, the proxy, TLS, and on a Unix socket
	// waiting for a server with a full backlog. Each address has a share of the time. 0 means 30 s; negative means no
	// limit except ctx.
	Timeout time.Duration

	// The fields below do not apply to DialUnix.

	// LocalAddr is the local address to dial from, in the form host:port. An empty host or port 0 lets the system
	// choose, as does "". With another port, the addresses of the host are tried one after the other.
	LocalAddr string

	// KeepAlive is both the idle time before the kernel sends the first TCP keep-alive probe and the interval between
	// probes. The ninth unanswered probe ends the connection. There are no probes while sent data is unacknowledged:
	// the kernel sends it again and gives up by itself, on Linux after about 15 minutes or the TCP_USER_TIMEOUT that
	// Control has set, which also ends a connection to a live peer that does not read for that long. 0 means 15 s;
	// negative turns probes off.
	KeepAlive time.Duration

	// Delay enables Nagle's algorithm (it clears TCP_NODELAY): the kernel holds a small segment back while another is
	// unacknowledged. It is off by default because connections coalesce writes themselves.
	Delay bool

	// Control, if not nil, is called with the socket before it is connected, as in [net.Dialer]. Use it to set socket
	// options that have no field here. It may be called for several addresses at once.
	Control func(network, address string, c syscall.RawConn) error

	// Resolver resolves the host. nil means the system's resolver.
	Resolver Resolver

	// Allow, if not nil, is called with each address before it is connected to, and rejects it by returning an error:
	// see [PublicOnly]. It cannot be combined with a Proxy, which resolves the address elsewhere.
	Allow func(netip.AddrPort) error

	// AttemptDelay is how long one address is tried before the next is tried concurrently. 0 means 250 ms. With a
	// negative value addresses are tried one after the other, each for its share of the remaining time.
	AttemptDelay time.Duration

	// Proxy, if not nil, carries the connection. The fields above then apply to the connection to the proxy, and the
	// host's name is not resolved here. See [HTTPProxy], [SOCKS5] and [EnvironmentProxy].
	Proxy Proxy
}
