package servers

import (
	"log/slog"
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/guard"
)

// Hooks are told what happens to the connections of a [Listener]: they are for metrics, and for your own
// logs. Each may be nil and costs nothing then. They are called where it happens, several at once, so they must
// neither block nor take long. A panic of theirs is an error of the Logger, and of the two that have a live connection,
// Opened and Returned, it aborts that connection.
type Hooks struct {
	// Opened is called with a connection before it is handed out. handshake is how long TLS took, 0 without it. It may
	// turn the connection away with Out.Abort: it is not handed out then.
	Opened func(c *chanio.Conn, handshake time.Duration)

	// Closed is called once for each that was opened, when it has been released. [chanio.Conn.Stats] has the bytes that
	// have passed, and [chanio.Conn.Cause] why it failed, nil if it ended in good order.
	Closed func(c *chanio.Conn)

	// Returned is called when a handler of [Listener.Serve] has returned, with its error, or with a [*chanio.PanicError]
	// if it panicked. The connection is ended afterwards, unless the handler has seen to that.
	Returned func(c *chanio.Conn, err error)

	// HandshakeFailed is called when a connection was closed because its TLS handshake or its PROXY header failed or took
	// too long.
	HandshakeFailed func(peer net.Addr, err error)

	// Refused is called when a connection was closed because its peer has as many as Config.MaxPerIP.
	Refused func(peer net.Addr)

	// AcceptFailed is called each time that accepting failed for now, such as without descriptors, and will be tried
	// again.
	AcceptFailed func(err error)
}

// call is the one place where code of the user's is called. It logs a panic and aborts c, if that is not nil.
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

// released is told of each connection that was opened.
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

// wrapped returns what Wrap makes of nc, or nil if that is to be closed.
func (l *Listener) wrapped(nc net.Conn) net.Conn {
	f := l.cfg.Wrap
	if f == nil {
		return nc
	}
	var w net.Conn
	if err := l.call("Wrap", nil, func() { w = f(nc) }); err != nil {
		return nil
	}
	return w
}
