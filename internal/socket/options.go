package socket

import (
	"net"
	"syscall"
	"time"

	"github.com/weir-go/weir/internal/guard"
)

const (
	defaultKeepAlive = 15 * time.Second
	keepAliveProbes  = 9 // without an answer, after which the connection ends

	// maxKeepAlive is the longest time that Linux accepts. It keeps its own defaults if it is given a longer one.
	maxKeepAlive = 32767 * time.Second
)

// keepAlive returns the kernel's settings: it probes after KeepAlive without traffic, and then every KeepAlive.
func (o Options) keepAlive() net.KeepAliveConfig {
	d := o.KeepAlive
	if d == 0 {
		d = defaultKeepAlive
	}
	d = min(d, maxKeepAlive)
	return net.KeepAliveConfig{Enable: d > 0, Idle: d, Interval: d, Count: keepAliveProbes}
}

// Control sets options of a socket before it is bound or connected, as in [net.Dialer].
type Control = func(network, address string, c syscall.RawConn) error

// Options are the options of a TCP socket. KeepAlive 0 means 15 s, negative none.
type Options struct {
	KeepAlive time.Duration
	Delay     bool
	ReusePort bool
	Control   Control

	// Existing means that the listening socket was not created with these options, so accepted sockets do not inherit
	// them.
	Existing bool
}

// ListenConfig returns a net.ListenConfig with the options that accepted sockets inherit.
func (o Options) ListenConfig() *net.ListenConfig {
	lc := &net.ListenConfig{KeepAlive: o.KeepAlive, KeepAliveConfig: o.keepAlive(), Control: Guarded(o.Control)}
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
	return Guarded(o.Control)(network, address, c)
}

// Guarded returns control with its panics turned into errors, because package net closes the socket only after an error.
func Guarded(control Control) Control {
	if control == nil {
		return nil
	}
	return func(network, address string, c syscall.RawConn) (err error) {
		if panicked := guard.Call(func() { err = control(network, address, c) }); panicked != nil {
			return panicked
		}
		return err
	}
}

// Dialer returns a net.Dialer with these options.
func (o Options) Dialer() *net.Dialer {
	return &net.Dialer{KeepAlive: o.KeepAlive, KeepAliveConfig: o.keepAlive(), Control: Guarded(o.Control)}
}

// Apply sets the options that the net package does not set on a new connection. There are some only with Delay or
// Existing.
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
