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

// ConnConfig configures a [Conn]. A nil *ConnConfig and the zero value use the defaults.
type ConnConfig struct {
	// Linger is how long a close waits while there is data to send and the peer reads nothing. 0 means [DefaultLinger].
	Linger time.Duration

	// CloseWait is how long a close waits, after everything has been sent and Out is half-closed, for a peer that sends
	// nothing and does not close its side. 0 means 250 ms.
	CloseWait time.Duration

	// SendBuffer is the number of bytes that Out accepts beyond those written, before a Send waits. A value is accepted
	// whole if there is any room; for large ones see [Sink.Send]. 0 means 64 KiB.
	SendBuffer int

	// Coalesce is how long a small value may wait to be sent together with others. It applies only while the input
	// already holds the next request or the sink is corked. 0 means 200 µs; negative turns coalescing off.
	Coalesce time.Duration

	// IdleTimeout ends In with os.ErrDeadlineExceeded when a receiver has waited this long without receiving a byte. 0
	// means never.
	IdleTimeout time.Duration

	// WriteTimeout ends Out with os.ErrDeadlineExceeded when there was data to send for this long and the peer made no
	// progress, which means reading at least 240 bytes a second on average. Progress that only the kernel sees is noticed
	// four times in that time. 0 means never.
	WriteTimeout time.Duration

	// AcceptTruncation treats the end of a TLS stream without close_notify as a clean end. By default it is
	// io.ErrUnexpectedEOF, because an attacker can truncate a stream that way.
	AcceptTruncation bool

	// Prefix holds bytes that were already read from the net.Conn, such as those after the head of a request that
	// switches protocols. In yields them first.
	Prefix []byte

	// LocalAddr and RemoteAddr, if not nil, are returned by the methods of these names, for a connection through a
	// proxy that has reported the real addresses.
	LocalAddr, RemoteAddr net.Addr

	// TLSState, if not nil, completes the state returned by the TLS method, for a client that verifies its peer itself
	// and so knows VerifiedChains, which crypto/tls does not.
	TLSState func(state *tls.ConnectionState)

	// OnRelease, if not nil, is called once when the connection has been released, by the releasing goroutine, so it
	// must not block. Servers use it to count connections without a goroutine for each.
	OnRelease func(*Conn)

	// Logger logs panics in functions registered with OnDone, OnDrain or OnRelease. nil means slog.Default,
	// because no caller could receive the error.
	Logger *slog.Logger
}

// Conn is a stream of bytes with a peer: a TCP, TLS, Unix or in-memory connection as a pair of typed halves.
//
// In yields bytes as they arrive, in chunks that the receiver owns. Out accepts bytes; several small values may leave
// in one write. Closing Out half-closes the connection. When both halves have ended, the connection is released. A
// connection starts no goroutine while its peer reads what it is sent, and holds no buffer while it waits for input.
type Conn struct {
	Duplex[[]byte, []byte]

	low   *stream.Stream        // nil for ConnOf
	info  *connInfo             // nil if there is none
	drain atomic.Pointer[drain] // made on demand
}

// connInfo holds the fields that few connections need.
type connInfo struct {
	ConnInfo                            // of ConnOf, or the addresses of ConnConfig
	secured  *Conn                      // what TLS runs over, if it does
	tlsState func(*tls.ConnectionState) // completes what TLS returns, or nil
}

// NewConn wraps nc, which it owns from then on. cfg may be nil. A net.Conn from [AsNetConn] is unwrapped: NewConn
// returns the Conn below it, with its original configuration, and its In can be received from again.
//
// Full speed, and buffers held only while in use, require a *net.TCPConn or *net.UnixConn itself. Any other net.Conn
// may have the methods
//
//	TryWrite(p []byte) (n int, err error)  // writes what it can without blocking
//	WaitWrite(ctx context.Context) error   // waits until TryWrite may write some
//
// If it has not, such as a [*tls.Conn] or a wrapper, a goroutine writes while there is something to write, and only
// Abort and WriteTimeout interrupt a Write. nc must support read deadlines, which is how ctx and Close interrupt a
// Read. Its deadlines belong to the Conn.
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

// over sets the halves of c to those of low.
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

// LocalAddr returns the local address. It remains valid after the connection has been released.
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

// NetConn returns the underlying net.Conn, for its options and state, or nil if there is none. Below TLS it is the
// net.Conn of the connection that was secured; [Conn.TLS] returns the TLS state. Only the Conn may read, write, set
// deadlines or close.
func (c *Conn) NetConn() net.Conn {
	switch {
	case c.low == nil:
		return nil
	case c.info != nil && c.info.secured != nil:
		return c.info.secured.NetConn()
	}
	return c.low.NetConn()
}

// Done returns a channel that is closed when the connection has been released: both halves have ended and the
// underlying net.Conn is closed.
func (c *Conn) Done() <-chan struct{} { return c.Released }

// EndIn ends In with cause after the data that has arrived so far. A Recv that waits for more returns cause now. Out is
// not affected. A server uses EndIn to tell a handler to finish.
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

// Abort discards unsent data, ends both halves with cause and releases the connection at once, with a reset if the
// transport has one. A nil cause means net.ErrClosed. Abort may be called by any goroutine at any time and does not
// block. A half that has already ended keeps its error: after a Close that has sent everything, Abort only cuts the
// rest of the close short. A TCP connection that has carried nothing is released 5 ms later, because the reset would
// make the peer's connect call fail.
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

// SetReadDeadline sets an absolute deadline for receiving calls, including one that is waiting; the zero time removes
// it. A call that exceeds it returns an error that matches os.ErrDeadlineExceeded and has consumed nothing, and the
// stream continues: see [Resumable]. SetReadDeadline may be called during a Recv. It makes no system call unless a call
// waits, so one deadline can cover a message that takes many reads.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.low == nil {
		return setDeadline(c.info.SetReadDeadline, t)
	}
	c.low.In.SetDeadline(t)
	return nil
}

// SetWriteDeadline is [Conn.SetReadDeadline] for sending calls. A call that exceeds the deadline has accepted nothing. It
// does not bound the values in a channel of Out, which count as accepted.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.low == nil {
		return setDeadline(c.info.SetWriteDeadline, t)
	}
	c.low.Out.SetDeadline(t)
	return nil
}

// Cause returns why the connection failed: the first read or write error that did not concern a single call, or the
// cause of an abort. It is nil before that, and after a clean end. It does not block.
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

// ConnStats counts the bytes transferred by a [Conn]. Over TLS it counts plain text.
type ConnStats struct {
	BytesIn  int64 // read from the net.Conn, whether or not a receiver has taken them
	BytesOut int64 // written to the net.Conn
}

// Stats returns the byte counters. It does not block, and works after the connection has been released, including in
// ConnConfig.OnRelease. A Conn made by [ConnOf] counts nothing.
func (c *Conn) Stats() ConnStats {
	if c.low == nil {
		return ConnStats{}
	}
	return ConnStats{BytesIn: c.low.BytesIn(), BytesOut: c.low.BytesOut()}
}

// Buffered reports whether In holds bytes that have arrived and that no receiver has taken, also in the channel of its C,
// but not what a codec has left of a value of that channel. It does not block. For a Conn made by [ConnOf] it is false.
func (c *Conn) Buffered() bool { return c.low != nil && (c.low.In.Unprocessed() || isAhead(c.In)) }
