package socket

import (
	"net"
	"syscall"
	"time"
)

const (
	defaultKeepAlive = 15 * time.Second
	keepAliveProbes  = 9 // without an answer, after which the connection ends
)

// keepAlive is what the kernel is told: to ask after KeepAlive without traffic, then every KeepAlive.
func (o Options) keepAlive() net.KeepAliveConfig {
	d := o.KeepAlive
	if d == 0 {
		d = defaultKeepAlive
	}
	return net.KeepAliveConfig{Enable: d > 0, Idle: d, Interval: d, Count: keepAliveProbes}
}

// Options are those of a TCP socket. KeepAlive 0 means 15 s, negative none.
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
	lc := &net.ListenConfig{KeepAlive: o.KeepAlive, KeepAliveConfig: o.keepAlive(), Control: o.Control}
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
	return &net.Dialer{KeepAlive: o.KeepAlive, KeepAliveConfig: o.keepAlive(), Control: o.Control}
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
	if o.Existing {
		_ = tcp.SetKeepAliveConfig(o.keepAlive())
	}
}
