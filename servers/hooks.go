package servers

import (
	"log/slog"
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/guard"
)

// Hooks observe the connections of a [Listener], for metrics and logging. Any of them may be nil. They run on the
// goroutine that handles the event, several at once, so they must return quickly. A panic in a hook is logged at Error.
// In Opened and Returned, whose connection is live, it also aborts that connection.
type Hooks struct {
	// Opened is called with each connection before it is delivered. handshake is the duration of the TLS handshake, 0
	// without TLS. Opened may reject the connection with Out.Abort; it is then not delivered.
	Opened func(c *chanio.Conn, handshake time.Duration)

	// Closed is called once for each opened connection, after its release. [chanio.Conn.Stats] reports the bytes
	// transferred, and [chanio.Conn.Cause] why the connection failed, or nil if it ended cleanly.
	Closed func(c *chanio.Conn)

	// Returned is called when a handler of [Listener.Serve] has returned, with its error, or with a
	// [*chanio.PanicError] if it panicked. The connection is ended after this call, unless the handler has ended it
	// already.
	Returned func(c *chanio.Conn, err error)

	// HandshakeFailed is called after a connection was closed because its TLS handshake or PROXY header failed or timed
	// out.
	HandshakeFailed func(peer net.Addr, err error)

	// Refused is called after a connection was closed because its peer had reached Config.MaxPerIP.
	Refused func(peer net.Addr)

	// AcceptFailed is called each time an accept fails temporarily, for example for lack of descriptors, and will be
	// retried.
	AcceptFailed func(err error)
}

// observer tells the Hooks and the Logger of a Listener what happens, and calls the other functions of its Config.
type observer struct {
	cfg       Config // with its defaults filled in
	peerLines lines
}

// call is the only place that calls user code. It logs a panic and, if c is not nil, aborts c.
func (o *observer) call(what string, c *chanio.Conn, f func()) error {
	err := guard.Call(f)
	if err == nil {
		return nil
	}
	o.log(slog.LevelError, "servers: "+what+" panicked", slog.Any("err", err), slog.String("stack", stackOf(err)))
	if c != nil {
		c.Abort(err)
	}
	return err
}

func (o *observer) opened(c *chanio.Conn, handshake time.Duration) {
	if f := o.cfg.Hooks.Opened; f != nil {
		_ = o.call("Hooks.Opened", c, func() { f(c, handshake) })
	}
}

// released runs when a connection that was opened has been released.
func (o *observer) released(c *chanio.Conn) {
	if f := o.cfg.Conn.OnRelease; f != nil {
		_ = o.call("Conn.OnRelease", nil, func() { f(c) })
	}
	if f := o.cfg.Hooks.Closed; f != nil {
		_ = o.call("Hooks.Closed", nil, func() { f(c) })
	}
}

// returned returns the panic of the hook, or nil.
func (o *observer) returned(c *chanio.Conn, err error) error {
	f := o.cfg.Hooks.Returned
	if f == nil {
		return nil
	}
	return o.call("Hooks.Returned", nil, func() { f(c, err) })
}

func (o *observer) handshakeFailed(peer net.Addr, err error) {
	if f := o.cfg.Hooks.HandshakeFailed; f != nil {
		_ = o.call("Hooks.HandshakeFailed", nil, func() { f(peer, err) })
	}
}

func (o *observer) refused(peer net.Addr) {
	if f := o.cfg.Hooks.Refused; f != nil {
		_ = o.call("Hooks.Refused", nil, func() { f(peer) })
	}
}

func (o *observer) acceptFailed(err error) {
	if f := o.cfg.Hooks.AcceptFailed; f != nil {
		_ = o.call("Hooks.AcceptFailed", nil, func() { f(err) })
	}
}

// wrapped returns the result of Wrap for nc. nil means that nc must be closed.
func (o *observer) wrapped(nc net.Conn) net.Conn {
	f := o.cfg.Wrap
	if f == nil {
		return nc
	}
	var w net.Conn
	if err := o.call("Wrap", nil, func() { w = f(nc) }); err != nil || isNil(w) {
		return nil
	}
	return w
}
