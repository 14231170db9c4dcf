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

// call is the only place that calls user code. It logs a panic and, if c is not nil, aborts c.
func (l *Listener) call(what string, c *chanio.Conn, f func()) error {
	err := guard.Call(f)
	if err == nil {
		return nil
	}
	l.log(slog.LevelError, "servers: "+what+" panicked", slog.Any("err", err), slog.String("stack", stackOf(err)))
	if c != nil {
		c.Abort(err)
	}
	return err
}

func (l *Listener) opened(c *chanio.Conn, handshake time.Duration) {
	if f := l.cfg.Hooks.Opened; f != nil {
		_ = l.call("Hooks.Opened", c, func() { f(c, handshake) })
	}
}

// released runs when a connection that was opened has been released.
func (l *Listener) released(c *chanio.Conn) {
	if f := l.cfg.Conn.OnRelease; f != nil {
		_ = l.call("Conn.OnRelease", nil, func() { f(c) })
	}
	if f := l.cfg.Hooks.Closed; f != nil {
		_ = l.call("Hooks.Closed", nil, func() { f(c) })
	}
}

func (l *Listener) returned(c *chanio.Conn, err error) {
	if f := l.cfg.Hooks.Returned; f != nil {
		_ = l.call("Hooks.Returned", c, func() { f(c, err) })
	}
}

func (l *Listener) handshakeFailed(peer net.Addr, err error) {
	if f := l.cfg.Hooks.HandshakeFailed; f != nil {
		_ = l.call("Hooks.HandshakeFailed", nil, func() { f(peer, err) })
	}
}

func (l *Listener) refused(peer net.Addr) {
	if f := l.cfg.Hooks.Refused; f != nil {
		_ = l.call("Hooks.Refused", nil, func() { f(peer) })
	}
}

func (l *Listener) acceptFailed(err error) {
	if f := l.cfg.Hooks.AcceptFailed; f != nil {
		_ = l.call("Hooks.AcceptFailed", nil, func() { f(err) })
	}
}

// wrapped returns the result of Wrap for nc. nil means that nc must be closed.
func (l *Listener) wrapped(nc net.Conn) net.Conn {
	f := l.cfg.Wrap
	if f == nil {
		return nc
	}
	var w net.Conn
	if err := l.call("Wrap", nil, func() { w = f(nc) }); err != nil || isNil(w) {
		return nil
	}
	return w
}
