package socket

import (
	"net"
	"syscall"
	"time"
)

// Options are those of a TCP socket, with the meanings that [net.ListenConfig] and [net.Dialer] give them.
type Options struct {
	KeepAlive time.Duration
	Delay     bool
	ReusePort bool
	Control   func(network, address string, c syscall.RawConn) error

	// Existing says that the listening socket was not made with these options, so that it hands none down.
	Existing bool
}

// ListenConfig returns what listens with these options, for those that the listening socket hands down.
func (o Options) ListenConfig() *net.ListenConfig {
	lc := &net.ListenConfig{KeepAlive: o.KeepAlive, Control: o.Control}
	if o.ReusePort {
		lc.Control = o.reuse
	}
	return lc
}

// reuse is Control for a socket that shares its address.
func (o Options) reuse(network, address string, c syscall.RawConn) error {
	if err := reusePort(c); err != nil || o.Control == nil {
		return err
	}
	return o.Control(network, address, c)
}

// Dialer returns what dials with these options.
func (o Options) Dialer() *net.Dialer {
	return &net.Dialer{KeepAlive: o.KeepAlive, Control: o.Control}
}

// Apply sets on a new connection what the net package does not: nothing, unless it is to delay small segments or comes
// from a socket of somebody else's.
func (o Options) Apply(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	if o.Delay {
		_ = tcp.SetNoDelay(false) // it costs speed at most
	}
	if o.Existing && o.KeepAlive != 0 {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: o.KeepAlive > 0, Idle: o.KeepAlive})
	}
}
