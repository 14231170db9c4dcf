package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
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
	// an option that has no field here.
	Control func(network, address string, c syscall.RawConn) error
}

const defaultTimeout = 30 * time.Second

// DialTCP connects to addr, which is host:port, and returns the connection, which the caller closes. If the host has
// several addresses they are tried in turn, with a head start for the first family (RFC 6555). cfg may be nil. ctx
// bounds the dialling only: when it ends, DialTCP returns its cause, and once DialTCP has returned it matters no more.
//
// The error wraps a [*net.OpError], and says what to do about it if it is a common one; when the timeout has passed it is
// os.ErrDeadlineExceeded. DialTCP is the client of aleph.tcp.
func DialTCP(ctx context.Context, addr string, cfg *DialConfig) (*chanio.Conn, error) {
	if cfg == nil {
		cfg = &DialConfig{}
	}
	options := socket.Options{KeepAlive: cfg.KeepAlive, Delay: cfg.Delay, Control: cfg.Control}
	d := options.Dialer()
	if cfg.LocalAddr != "" {
		local, err := net.ResolveTCPAddr("tcp", cfg.LocalAddr)
		if err != nil {
			return nil, socket.Explain("clients: LocalAddr", &net.OpError{Op: "dial", Net: "tcp", Err: err})
		}
		d.LocalAddr = local
	}
	nc, err := dial(ctx, d, addr, cfg.timeout())
	if err != nil {
		return nil, socket.Explain("clients", err)
	}
	options.Apply(nc)
	return chanio.NewConn(nc, &cfg.Conn), nil
}

func (cfg *DialConfig) timeout() time.Duration {
	if cfg.Timeout == 0 {
		return defaultTimeout
	}
	return cfg.Timeout
}

// dial dials for at most d, if that is positive. An error because of that, or of the end of ctx, has the reason.
func dial(ctx context.Context, dialer *net.Dialer, addr string, d time.Duration) (net.Conn, error) {
	if d > 0 {
		var cancel context.CancelFunc
		late := fmt.Errorf("no connection within %v: %w", d, os.ErrDeadlineExceeded)
		ctx, cancel = context.WithTimeoutCause(ctx, d, late)
		defer cancel()
	}
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	var op *net.OpError
	if err != nil && ctx.Err() != nil && errors.As(err, &op) {
		why := *op
		why.Err = context.Cause(ctx)
		return nil, &why
	}
	return nc, err
}
