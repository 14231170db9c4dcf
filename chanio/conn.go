package chanio

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// ConnConfig says how a [Conn] behaves. The zero value, and nil, mean the defaults.
type ConnConfig struct {
	// Linger is how long a close waits for a peer that makes no progress: one that takes nothing while Out drains,
	// then one that does not end its side. 0 means DefaultLinger.
	Linger time.Duration

	// Coalesce is how long a small value may wait for others to be sent with, which happens only while the input
	// already has the next request or the sink is corked. 0 means 200 µs; negative turns coalescing off.
	Coalesce time.Duration

	// IdleTimeout ends In with os.ErrDeadlineExceeded when a receiver has waited so long for a byte. 0 means never.
	IdleTimeout time.Duration

	// WriteTimeout ends Out with os.ErrDeadlineExceeded when the peer has taken nothing for so long although there was
	// something to send, which is noticed within twice that time. 0 means never.
	WriteTimeout time.Duration

	// AcceptTruncation takes the end of a TLS peer that sent no close_notify for a clean end. The default is
	// io.ErrUnexpectedEOF, because an attacker can cut a stream that way.
	AcceptTruncation bool

	// LocalAddr and RemoteAddr, if not nil, are what the methods of these names return: for a connection that comes
	// through something that has told where it comes from.
	LocalAddr, RemoteAddr net.Addr

	// OnRelease, if not nil, is called once when the connection has been released, in the goroutine that does it, so it
	// must not block. It is how a server counts its connections without a goroutine for each.
	OnRelease func(*Conn)
}

const defaultCoalesce = 200 * time.Microsecond

// Conn is a stream of bytes with a peer: a TCP, TLS, Unix or in-memory connection as a pair of typed halves.
//
// In yields the bytes as they arrive, in chunks that the receiver owns. Out takes bytes; several small values may leave
// in one write. Closing Out half-closes the connection, and when both halves have ended it is released. A connection
// starts no goroutine while its peer takes what it is sent, and holds no buffer while it waits for input.
type Conn struct {
	Duplex[[]byte, []byte]

	nc         net.Conn
	descriptor syscall.RawConn // of nc, if it is a socket of the standard library
	here, peer net.Addr        // instead of those of nc, if not nil
	linger     time.Duration
	onRelease  func(*Conn)
	in         inlet
	out        outlet

	mu        sync.Mutex
	inOver    bool // In is at its end or closed
	outOver   bool // Out is closed or has failed
	releasing bool
	peerOver  bool          // the peer has ended its side, or is gone
	gone      bool          // released
	cause     error         // why it failed
	released  chan struct{} // closed then; made on demand
}

// NewConn wraps nc, which it owns from then on. cfg may be nil.
//
// Full speed, and buffers that are held only while in use, are had from *net.TCPConn and *net.UnixConn as such. Any other
// net.Conn may have a method TryWrite(p []byte) (n int, err error), which writes what it can without blocking. For one
// that has not, such as somebody's wrapper, a goroutine writes while there is something to write. nc needs working
// deadlines: they are how ctx and Close interrupt it.
func NewConn(nc net.Conn, cfg *ConnConfig) *Conn {
	if cfg == nil {
		cfg = &ConnConfig{}
	}
	c := &Conn{nc: nc, here: cfg.LocalAddr, peer: cfg.RemoteAddr, linger: cfg.Linger, onRelease: cfg.OnRelease}
	if c.linger <= 0 {
		c.linger = DefaultLinger
	}
	c.in.init(c, cfg)
	c.out.init(c, cfg)
	c.released = make(chan struct{})
	c.Released = c.released
	c.in.end.Released, c.out.end.Released = c.released, c.released
	c.out.end.Linger = c.linger
	c.out.end.Progress = c.out.written.Load
	c.In = NewSource(SourceHooks[[]byte]{
		Next: c.in.next, TryNext: c.in.tryNext, Close: c.in.close, Bytes: &c.in, End: &c.in.end,
	})
	c.Out = NewSink(SinkHooks[[]byte]{
		Send: c.out.send, TrySend: c.out.trySend, Flush: c.out.flush, Close: c.out.close, Abort: c.out.abort,
		Cork: c.out.corkAll, Bytes: &c.out, End: &c.out.end,
	})
	return c
}

// LocalAddr returns the address of this side. It goes on working after the connection has been released.
func (c *Conn) LocalAddr() net.Addr {
	if c.here != nil {
		return c.here
	}
	return c.nc.LocalAddr()
}

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr {
	if c.peer != nil {
		return c.peer
	}
	return c.nc.RemoteAddr()
}

// NetConn returns the net.Conn below, for its options and its state; below TLS, whose state [Conn.TLS] has, it is that of
// the connection that was secured. Reading, writing, deadlines and closing are the Conn's own affair.
func (c *Conn) NetConn() net.Conn {
	if t, ok := c.nc.(*tlsConn); ok {
		return t.low.c.NetConn()
	}
	return c.nc
}

// Done is closed when the connection has been released: both halves have ended and the net.Conn below is closed.
func (c *Conn) Done() <-chan struct{} {
	return c.released
}

// EndIn makes In end with cause once what has arrived so far has been received; a Recv that waits for more returns it
// now. Nothing happens to Out. It is how a server tells a handler to finish.
func (c *Conn) EndIn(cause error) { c.in.gate.end(cause) }

// inEnded and outEnded note that a half has ended. Whoever notes the second one releases the connection.
func (c *Conn) inEnded(peerOver bool) {
	c.mu.Lock()
	c.inOver, c.peerOver = true, c.peerOver || peerOver
	c.mu.Unlock()
	c.release()
}

func (c *Conn) outEnded(failed bool) {
	c.mu.Lock()
	c.outOver, c.peerOver = true, c.peerOver || failed
	c.mu.Unlock()
	c.release()
}

// release closes the net.Conn if both halves have ended. If the peer may still be sending, it first waits for its end
// of the stream within the linger bound, because closing over unread bytes would reset the connection and take from the
// peer what it has not read yet (G7).
func (c *Conn) release() {
	c.mu.Lock()
	due := c.inOver && c.outOver && !c.releasing
	c.releasing = c.releasing || due
	lingering := !c.peerOver
	c.mu.Unlock()
	if !due {
		return
	}
	if lingering {
		c.discard()
	}
	c.drop()
}

// discard reads and drops what the peer sends until it ends or the linger bound passes.
func (c *Conn) discard() {
	c.in.gate.close(net.ErrClosed)
	c.in.gate.wait()
	if c.nc.SetReadDeadline(time.Now().Add(c.linger)) != nil {
		return
	}
	b := borrow(0)
	defer b.giveBack()
	for {
		if _, err := c.nc.Read(b.buf); err != nil {
			return
		}
	}
}

// abort closes the net.Conn at once, with a reset where there is one.
func (c *Conn) abort(cause error) {
	c.failed(cause)
	c.in.gate.close(cause)
	c.mu.Lock()
	due := !c.releasing
	c.releasing, c.inOver, c.outOver = true, true, true
	c.mu.Unlock()
	switch nc := c.nc.(type) {
	case interface{ Abort() }:
		nc.Abort()
	case interface{ SetLinger(sec int) error }:
		_ = nc.SetLinger(0)
	}
	if due {
		c.drop()
	} else {
		_ = c.nc.Close() // ends a discard under way
	}
}

func (c *Conn) drop() {
	_ = c.nc.Close()
	c.in.gate.close(net.ErrClosed)
	c.out.gate.close(net.ErrClosed)
	c.mu.Lock()
	c.gone = true
	close(c.released)
	c.mu.Unlock()
	if c.onRelease != nil {
		c.onRelease(c)
	}
}

// closeWrite ends the stream to the peer. If that is all that is left to do with a socket it is left to the closing of it,
// which follows and says the same.
func (c *Conn) closeWrite() error {
	if c.descriptor != nil && c.isAnswered() {
		return nil
	}
	if nc, ok := c.nc.(interface{ CloseWrite() error }); ok {
		return nc.CloseWrite()
	}
	return &net.OpError{Op: "close write", Net: c.nc.LocalAddr().Network(), Err: errors.ErrUnsupported}
}

// isAnswered reports whether the peer has ended its side in good order, and that has been noticed.
func (c *Conn) isAnswered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inOver && c.peerOver && c.cause == nil && !c.releasing
}

// isEnd reports whether err of a read means that the peer sends no more.
func isEnd(err error) bool { return errors.Is(err, io.EOF) }
