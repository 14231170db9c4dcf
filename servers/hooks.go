package servers

import (
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Hooks are told what happens to the connections of a [Listener]: they are for metrics, and for logs of one's own
// (G20). Each may be nil and costs nothing then. They are called where it happens, several at once, so they must
// neither block nor take long.
type Hooks struct {
	// Opened is called with a connection before it is handed out. handshake is how long TLS took, 0 without it.
	Opened func(c *chanio.Conn, handshake time.Duration)

	// Closed is called once for each that was opened, when it has been released. [chanio.Conn.Stats] has the bytes that
	// have passed, and [chanio.Conn.Cause] why it failed, nil if it ended in good order.
	Closed func(c *chanio.Conn)

	// Returned is called when a handler of [Listener.Serve] has returned, with its error, or with a [*chanio.PanicError]
	// if it panicked. The connection is ended afterwards, unless the handler has seen to that.
	Returned func(c *chanio.Conn, err error)

	// HandshakeFailed is called when a connection was closed because its TLS handshake failed or took too long.
	HandshakeFailed func(peer net.Addr, err error)

	// Refused is called when a connection was closed because its peer has as many as TCPConfig.MaxPerIP.
	Refused func(peer net.Addr)

	// AcceptFailed is called each time that accepting failed for now, such as for want of descriptors, and will be tried
	// again.
	AcceptFailed func(err error)
}

func (h *Hooks) opened(c *chanio.Conn, handshake time.Duration) {
	if h.Opened != nil {
		h.Opened(c, handshake)
	}
}

func (h *Hooks) closed(c *chanio.Conn) {
	if h.Closed != nil {
		h.Closed(c)
	}
}

func (h *Hooks) returned(c *chanio.Conn, err error) {
	if h.Returned != nil {
		h.Returned(c, err)
	}
}

func (h *Hooks) handshakeFailed(peer net.Addr, err error) {
	if h.HandshakeFailed != nil {
		h.HandshakeFailed(peer, err)
	}
}

func (h *Hooks) refused(peer net.Addr) {
	if h.Refused != nil {
		h.Refused(peer)
	}
}

func (h *Hooks) acceptFailed(err error) {
	if h.AcceptFailed != nil {
		h.AcceptFailed(err)
	}
}
