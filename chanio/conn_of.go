package chanio

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// ConnInfo is what a [Conn] without a socket, made by [ConnOf], says and does besides its two halves. The zero value, and
// nil, mean the defaults.
type ConnInfo struct {
	// LocalAddr and RemoteAddr are what the methods of these names return; nil stands for an address named "stream".
	LocalAddr, RemoteAddr net.Addr

	// TLS is the state of the TLS session that the stream runs in, if there is one.
	TLS *tls.ConnectionState

	// SetReadDeadline and SetWriteDeadline set absolute deadlines, as the methods of these names describe; nil means
	// that these return errors.ErrUnsupported.
	SetReadDeadline, SetWriteDeadline func(t time.Time) error

	// EndIn ends In with cause once what has arrived has been received; nil means that In is closed instead.
	EndIn func(cause error)

	// Released is closed when what lies below has been released; nil means as soon as both halves have ended.
	Released <-chan struct{}
}

// ConnOf makes one Conn of two halves that have no socket of their own, such as a stream of HTTP/2 or a tunnel, so that
// whatever works on a connection works on it. It owns both from then on. info may be nil.
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
			_ = out.Close() // waits for one that is draining
			half()
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
