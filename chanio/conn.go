package chanio

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/stream"
)

// ConnConfig says how a [Conn] behaves. The zero value, and nil, mean the defaults.
type ConnConfig struct {
	// Linger is how long a close waits for a peer that takes nothing while there is something to send. 0 means
	// DefaultLinger.
	Linger time.Duration

	// CloseWait is how long a close waits, once everything has been sent and Out is half-closed, for a peer that sends
	// nothing and does not end its side. 0 means 250 ms.
	CloseWait time.Duration

	// SendBuffer is how many bytes Out accepts beyond what has been written, before a Send waits. A value is accepted
	// whole as long as there is any room. 0 means 64 KiB.
	SendBuffer int

	// Coalesce is how long a small value may wait for others to be sent with, which happens only while the input
	// already has the next request or the sink is corked. 0 means 200 µs; negative turns coalescing off.
	Coalesce time.Duration

	// IdleTimeout ends In with os.ErrDeadlineExceeded when a receiver has waited so long for a byte. 0 means never.
	IdleTimeout time.Duration

	// WriteTimeout ends Out with os.ErrDeadlineExceeded when the peer has made no progress for so long although there
	// was something to send: taken at least 240 bytes a second on average. 0 means never.
	WriteTimeout time.Duration

	// AcceptTruncation takes the end of a TLS peer that sent no close_notify for a clean end. The default is
	// io.ErrUnexpectedEOF, because an attacker can cut a stream that way.
	AcceptTruncation bool

	// Prefix is what has been read from the net.Conn already, such as what lies behind the head of a request that
	// switches protocols: In yields it first.
	Prefix []byte

	// LocalAddr and RemoteAddr, if not nil, are what the methods of these names return: for a connection that comes
	// through something that has told where it comes from.
	LocalAddr, RemoteAddr net.Addr

	// TLSState, if not nil, completes the state that TLS returns: for a client that verifies its peer by itself, and so
	// knows the VerifiedChains that crypto/tls does not.
	TLSState func(state *tls.ConnectionState)

	// OnRelease, if not nil, is called once when the connection has been released, in the goroutine that does it, so it
	// must not block. It is how a server counts its connections without a goroutine for each.
	OnRelease func(*Conn)

	// Logger logs a panic in a function given to OnDone, OnDrain or OnRelease. Nil means slog.Default, for these
	// alone: there is nobody else to tell.
	Logger *slog.Logger
}

// Conn is a stream of bytes with a peer: a TCP, TLS, Unix or in-memory connection as a pair of typed halves.
//
// In yields the bytes as they arrive, in chunks that the receiver owns. Out takes bytes; several small values may leave
// in one write. Closing Out half-closes the connection, and when both halves have ended it is released. A connection
// starts no goroutine while its peer takes what it is sent, and holds no buffer while it waits for input.
type Conn struct {
	Duplex[[]byte, []byte]

	low   *stream.Stream        // nil for ConnOf
	info  *connInfo             // nil if there is none
	drain atomic.Pointer[drain] // made on demand
}

// connInfo is what few connections have.
type connInfo struct {
	ConnInfo                            // of ConnOf, or the addresses of ConnConfig
	secured  *Conn                      // what TLS runs over, if it does
	tlsState func(*tls.ConnectionState) // completes what TLS returns, or nil
}

// NewConn wraps nc, which it owns from then on. cfg may be nil. A net.Conn from [AsNetConn] is unwrapped: NewConn returns
// the Conn below it, as it was configured, and In can be received from again.
//
// Full speed, and buffers that are held only while in use, need a *net.TCPConn or *net.UnixConn as such. Any other
// net.Conn may have the methods
//
//	TryWrite(p []byte) (n int, err error)  // writes what it can without blocking
//	WaitWrite(ctx context.Context) error   // waits until TryWrite may write some
//
// For one that has not, such as a *tls.Conn or a wrapper, a goroutine writes, while there is something to write, and a
// Write under way is interrupted by Abort and WriteTimeout alone. nc needs working read deadlines: they are how ctx and
// Close interrupt a Read. Its deadlines belong to the Conn.
func NewConn(nc net.Conn, cfg *ConnConfig) *Conn {
	if nc, ok := nc.(*netConn); ok {
		nc.up.Release()
		return nc.conn
	}
	if nc == nil {
		panic("chanio: NewConn: the net.Conn is nil")
	}
	if cfg == nil {
		cfg = &ConnConfig{}
	}
	c := new(Conn)
	if cfg.LocalAddr != nil || cfg.RemoteAddr != nil || cfg.TLSState != nil {
		c.info = &connInfo{ConnInfo: ConnInfo{LocalAddr: cfg.LocalAddr, RemoteAddr: cfg.RemoteAddr}, tlsState: cfg.TLSState}
	}
	low := stream.Config{
		Linger: cfg.Linger, CloseWait: cfg.CloseWait, SendBuffer: cfg.SendBuffer, Coalesce: cfg.Coalesce,
		IdleTimeout: cfg.IdleTimeout, WriteTimeout: cfg.WriteTimeout, Prefix: cfg.Prefix, Logger: cfg.Logger,
		Panic: func(v any) error { return Recovered(v) },
	}
	if f := cfg.OnRelease; f != nil {
		low.OnRelease = func() { f(c) }
	}
	c.over(stream.New(nc, low))
	return c
}

// over makes the halves of c those of low.
func (c *Conn) over(low *stream.Stream) {
	c.low, c.Released = low, low.Released()
	in, out := &low.In, &low.Out
	uncork := func() { out.Cork(false) }
	c.In = NewSource(SourceHooks[[]byte]{
		Next: in.Next, TryNext: in.TryNext, Close: in.Close, Bytes: in, End: in.Ending(),
	})
	c.Out = NewSink(SinkHooks[[]byte]{
		Send: out.Send, TrySend: func(p []byte) (bool, error) { return out.TryEnd(nil, p) }, SendAll: out.SendAll, Flush: out.Flush, Close: out.Close,
		Abort: low.Abort, Cork: func() func() { out.Cork(true); return uncork }, Bytes: out, End: out.Ending(),
	})
}

// LocalAddr returns the address of this side. It goes on working after the connection has been released.
func (c *Conn) LocalAddr() net.Addr {
	if c.info != nil && c.info.LocalAddr != nil {
		return c.info.LocalAddr
	}
	return c.low.NetConn().LocalAddr()
}

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr {
	if c.info != nil && c.info.RemoteAddr != nil {
		return c.info.RemoteAddr
	}
	return c.low.NetConn().RemoteAddr()
}

// NetConn returns the net.Conn below, for its options and its state, or nil if there is none; below TLS, whose state
// [Conn.TLS] has, it is that of the connection that was secured. Reading, writing, deadlines and closing belong to the
// Conn.
func (c *Conn) NetConn() net.Conn {
	switch {
	case c.low == nil:
		return nil
	case c.info != nil && c.info.secured != nil:
		return c.info.secured.NetConn()
	}
	return c.low.NetConn()
}

// Done is closed when the connection has been released: both halves have ended and the net.Conn below is closed.
func (c *Conn) Done() <-chan struct{} { return c.Released }

// EndIn makes In end with cause once what has arrived so far has been received; a Recv that waits for more returns it
// now. Nothing happens to Out. It is how a server tells a handler to finish.
func (c *Conn) EndIn(cause error) {
	switch {
	case c.low != nil:
		c.low.EndIn(cause)
	case c.info.EndIn != nil:
		c.info.EndIn(cause)
	default:
		_ = c.In.Close()
	}
}

// Abort discards what was not sent, ends both halves with cause and releases the connection at once, with a reset where
// there is one. A nil cause stands for net.ErrClosed. It is for any goroutine at any time and does not wait. A half that
// had ended keeps its end: after a Close that has sent everything, Abort only cuts short what is left of the close.
func (c *Conn) Abort(cause error) {
	if cause == nil {
		cause = net.ErrClosed
	}
	c.Out.Abort(cause)
	if c.low == nil {
		c.In.hooks.End.Set(cause)
		_ = c.In.Close()
	}
}

// SetReadDeadline bounds calls that receive, one that waits included, by a time of the clock; the zero time takes that
// back. A call that it ends returns an error that is os.ErrDeadlineExceeded and has taken nothing, and the stream goes
// on: see [Resumable]. It is callable beside a Recv and costs no system call unless a call waits, so one deadline may
// cover a message that takes many reads.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.low == nil {
		return setDeadline(c.info.SetReadDeadline, t)
	}
	c.low.In.SetDeadline(t)
	return nil
}

// SetWriteDeadline is [Conn.SetReadDeadline] for calls that send: one that it ends has accepted nothing.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.low == nil {
		return setDeadline(c.info.SetWriteDeadline, t)
	}
	c.low.Out.SetDeadline(t)
	return nil
}

// Cause returns why the connection failed: the first error of reading or writing that did not concern one call alone, or
// the cause of an abort. It is nil while there is none and when the connection has ended in good order. It does not
// block.
func (c *Conn) Cause() error {
	if c.low != nil {
		return c.low.Cause()
	}
	for _, err := range []error{c.Out.Err(), c.In.hooks.End.Err()} {
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return nil
}

// ConnStats is what has passed through a [Conn]. Over TLS it is the plain text.
type ConnStats struct {
	BytesIn  int64 // read from the net.Conn, whether or not a receiver has taken them
	BytesOut int64 // written to the net.Conn
}

// Stats returns the counters, also after the connection has been released. It does not block, so it is for
// ConnConfig.OnRelease too. A Conn of [ConnOf] counts nothing.
func (c *Conn) Stats() ConnStats {
	if c.low == nil {
		return ConnStats{}
	}
	return ConnStats{BytesIn: c.low.BytesIn(), BytesOut: c.low.BytesOut()}
}
