package chanio

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// ConnInfo supplies what a [Conn] made by [ConnOf] needs besides its two halves. A nil *ConnInfo and the zero value use
// the defaults.
type ConnInfo struct {
	// LocalAddr and RemoteAddr are returned by the methods of these names. nil means an address named "stream".
	LocalAddr, RemoteAddr net.Addr

	// TLS is the state of the TLS session that carries the stream, if any.
	TLS *tls.ConnectionState

	// SetReadDeadline and SetWriteDeadline set absolute deadlines, as described for the methods of these names. If nil,
	// those methods return errors.ErrUnsupported.
	SetReadDeadline, SetWriteDeadline func(t time.Time) error

	// EndIn ends In with cause after what has arrived. If nil, In is closed instead.
	EndIn func(cause error)

	// Released is closed when the underlying resource has been released. If nil, the Conn is released as soon as both
	// halves have ended.
	Released <-chan struct{}
}

// ConnOf combines two halves that have no socket of their own, such as an HTTP/2 stream or a tunnel, into a Conn, so
// that code for connections works on them. It owns both from then on. info may be nil.
func ConnOf(in *Source[[]byte], out *Sink[[]byte], info *ConnInfo) *Conn {
	if in == nil || out == nil {
		panic("chanio: ConnOf: a half is nil")
	}
	c := &Conn{info: new(connInfo)}
	if info != nil {
		c.info.ConnInfo = *info
	}
	c.In, c.Out, c.Released = in, out, c.info.Released
	c.info.LocalAddr, c.info.RemoteAddr = orStream(c.info.LocalAddr), orStream(c.info.RemoteAddr)
	if c.Released == nil {
		released := make(chan struct{})
		c.Released = released
		var ended atomic.Int32
		half := func() {
			if ended.Add(1) == 2 {
				close(released)
			}
		}
		in.OnDone(half)
		out.OnDone(func() {
			defer half()    // even if the Close hook panics
			_ = out.Close() // waits for one that is draining
		})
	}
	return c
}

func orStream(a net.Addr) net.Addr {
	if a == nil {
		return streamAddr{}
	}
	return a
}

// streamAddr is the address of a Conn that has none.
type streamAddr struct{}

func (streamAddr) Network() string { return "stream" }
func (streamAddr) String() string  { return "stream" }

// setDeadline calls set, if there is one.
func setDeadline(set func(time.Time) error, t time.Time) error {
	if set == nil {
		return errors.ErrUnsupported
	}
	return set(t)
}
