package clients

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Config says how a connection is made and how it behaves, over TCP, TLS and Unix domain sockets. The zero value, and
// nil, mean the defaults. It is read while dialling only, so it may be changed and used again afterwards.
//
// For a duration, 0 means the default that its comment gives, and negative that there is none: no limit, no timeout.
type Config struct {
	// Conn is how the connection behaves: its linger bound, coalescing, idle and write timeouts.
	Conn chanio.ConnConfig

	// TLS, if not nil, secures the connection; see [DialTLS]. On a Unix socket it needs a ServerName, because a path is not a name.
	TLS *TLSConfig

	// Timeout is how long dialling may take in all: looking up the host, trying its addresses, the proxy, TLS, and on a
	// Unix socket waiting for a server that is slow to accept. No address takes the time of the others. 0 means 30 s,
	// negative no limit but ctx's.
	Timeout time.Duration

	// The fields below mean nothing to DialUnix.

	// LocalAddr is the address to dial from, host:port. An empty host or port 0 leaves that to the system, as does "".
	LocalAddr string

	// KeepAlive is how long the connection is idle before the kernel asks whether the peer is still there, and the time
	// between its questions, of which the ninth without an answer ends the connection. 0 means 15 s, negative that it never
	// asks.
	KeepAlive time.Duration

	// Delay turns Nagle's algorithm on (TCP_NODELAY off): the kernel holds a small segment back while another is under
	// way. Connections coalesce on their own, so the default is off.
	Delay bool

	// Control, if not nil, is called with the socket before it is connected, as in [net.Dialer]. It is the way to set
	// an option that has no field here. It may be called for several addresses at once.
	Control func(network, address string, c syscall.RawConn) error

	// Resolver finds the addresses of the host. nil means the system's.
	Resolver Resolver

	// Allow, if not nil, is asked about each address that is about to be connected to, and refuses it by an error: see
	// [PublicOnly]. With a Proxy, whose addresses it cannot see, it is an error.
	Allow func(netip.AddrPort) error

	// AttemptDelay is how long one address of the host is tried alone before the next one is tried beside it. 0 means
	// 250 ms, negative that they are tried one after the other, each for its share of the time that is left.
	AttemptDelay time.Duration

	// Proxy, if not nil, is what the connection goes through. The fields above are then about the connection to it: the
	// host's name is not resolved here. See [HTTPProxy], [SOCKS5] and [EnvironmentProxy].
	Proxy Proxy
}
