package clients

import (
	"context"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/socket"
)

// DialConfig says how a connection is made and how it behaves. The zero value, and nil, mean the defaults.
type DialConfig struct {
	// Conn is how the connection behaves: its linger bound, coalescing, idle and write timeouts.
	Conn chanio.ConnConfig

	// Timeout is how long dialling may take in all, for all addresses of the host. 0 means 30 s, negative no limit but
	// ctx's.
	Timeout time.Duration

	// LocalAddr is the address to dial from, host:port. An empty host or port 0 leaves that to the system, as does "".
	LocalAddr string

	// KeepAlive is how long the connection is idle before the kernel asks whether the peer is still there, and the time
	// between its questions. 0 means 15 s, negative that it never asks.
	KeepAlive time.Duration

	// Delay turns Nagle's algorithm on (TCP_NODELAY off): the kernel holds a small segment back while another is under
	// way. Connections coalesce on their own, so the default is off.
	Delay bool

	// Control, if not nil, is called with the socket before it is connected, as in [net.Dialer]. It is the way to set
	// an option that has no field here. It may be called for several addresses at once.
	Control func(network, address string, c syscall.RawConn) error

	// Resolver finds the addresses of the host. nil means the system's.
	Resolver Resolver

	// AttemptDelay is how long one address of the host is tried alone before the next one is tried beside it. 0 means
	// 250 ms, negative that they are tried one after the other.
	AttemptDelay time.Duration

	// Proxy, if not nil, is what the connection goes through. The fields above are then about the connection to it: the
	// host's name is not resolved here. See [HTTPProxy], [SOCKS5] and [EnvironmentProxy].
	Proxy Proxy
}

const defaultTimeout = 30 * time.Second

// DialTCP connects to addr, which is host:port, and returns the connection, which the caller closes. If the host has
// several addresses they are tried side by side, each with a head start before the next, IPv6 and IPv4 in turn; the
// first that answers is taken (RFC 8305), and the others are over when DialTCP returns. cfg may be nil. ctx bounds the
// dialling only: when it ends, DialTCP returns its cause, and once DialTCP has returned it matters no more.
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one; when the timeout has passed it
// is os.ErrDeadlineExceeded. DialTCP is the client of aleph.tcp.
func DialTCP(ctx context.Context, addr string, cfg *DialConfig) (*chanio.Conn, error) {
	if cfg == nil {
		cfg = &DialConfig{}
	}
	ctx, cancel := within(ctx, cfg.timeout())
	defer cancel()
	c, err := cfg.dial(ctx, addr, &cfg.Conn)
	if err != nil {
		return nil, explain(err)
	}
	return c, nil
}

// dial connects to addr by whatever way cfg says. It is a [DialFunc].
func (cfg *DialConfig) dial(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
	d := dialer{
		resolver: cfg.Resolver, delay: orElse(cfg.AttemptDelay, attemptDelay), local: cfg.LocalAddr,
		options: socket.Options{KeepAlive: cfg.KeepAlive, Delay: cfg.Delay, Control: cfg.Control},
	}
	if cfg.Proxy == nil {
		return d.dial(ctx, addr, conn)
	}
	return cfg.Proxy.DialThrough(ctx, addr, conn, d.dial)
}

func (cfg *DialConfig) timeout() time.Duration { return orElse(cfg.Timeout, defaultTimeout) }
