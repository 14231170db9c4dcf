package chanio

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// TLSServer runs the server's side of TLS over c, which it owns from then on, and returns the secured connection. It
// blocks until the handshake is done; if ctx ends or the handshake fails first, c is aborted. cfg is not modified, and
// conn configures the new Conn as in [NewConn]; it may be nil. Bytes that c.In had received go into the handshake, so
// STARTTLS is: read the last line, call TLSServer.
//
// The records are written to c's buffer, so neither they nor alerts ever make a Recv wait for a clogged peer. Closing Out
// sends close_notify and leaves the other direction open (G6). A peer that closes without close_notify ends In with
// io.ErrUnexpectedEOF, unless conn.AcceptTruncation is set.
func TLSServer(ctx context.Context, c *Conn, cfg *tls.Config, conn *ConnConfig) (*Conn, error) {
	return secure(ctx, c, conn, func(low net.Conn) *tls.Conn { return tls.Server(low, cfg) })
}

// TLSClient is the client's side of [TLSServer]. cfg names the server, or says that it is not to be verified.
func TLSClient(ctx context.Context, c *Conn, cfg *tls.Config, conn *ConnConfig) (*Conn, error) {
	return secure(ctx, c, conn, func(low net.Conn) *tls.Conn { return tls.Client(low, cfg) })
}

func secure(ctx context.Context, c *Conn, cfg *ConnConfig, wrap func(net.Conn) *tls.Conn) (*Conn, error) {
	c.In.Claim("TLS")
	low := &tlsLower{c: c}
	t := &tlsConn{Conn: wrap(low), low: low, strict: cfg == nil || !cfg.AcceptTruncation}
	t.writable.init()
	if err := t.HandshakeContext(ctx); err != nil {
		c.Out.Abort(err)
		if ctx.Err() != nil {
			err = Cause(ctx)
		}
		return nil, &net.OpError{Op: "tls handshake", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	}
	low.up = true
	return NewConn(t, cfg), nil
}

// TLS returns the state of the TLS session, or nil if the connection is not secured.
func (c *Conn) TLS() *tls.ConnectionState {
	t, ok := c.nc.(*tlsConn)
	if !ok {
		return nil
	}
	state := t.ConnectionState()
	return &state
}

// tlsConn is the net.Conn of a secured Conn. What it writes is cut into records of which each waits for room below, or,
// in TryWrite, is left unwritten.
type tlsConn struct {
	*tls.Conn
	low      *tlsLower
	strict   bool // a FIN without close_notify is an error
	writable expiry
	one      [1]byte
}

// recordSize is how much plain text is written at once.
const recordSize = 16 << 10

func (t *tlsConn) TryWrite(p []byte) (n int, err error) {
	for n < len(p) && t.low.c.out.hasRoom() {
		m, err := t.Conn.Write(p[n:min(n+recordSize, len(p))])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (t *tlsConn) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if err := t.low.c.out.waitForRoom(t.writable.context()); err != nil {
			if t.writable.over(err) {
				err = os.ErrDeadlineExceeded
			}
			return n, err
		}
		m, err := t.TryWrite(p[n:])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (t *tlsConn) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if err == io.EOF && t.low.eof && t.strict {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// readLazily reads into the buffer that space returns, which it asks for only once there is something to read: it waits
// with a buffer of one byte.
func (t *tlsConn) readLazily(space func(want int) []byte, want int) (int, error) {
	n, err := t.Read(t.one[:])
	if n == 0 {
		return 0, err
	}
	p := space(want)
	p[0] = t.one[0]
	t.low.noWait = true
	n, _ = t.Read(p[1:]) // an error stays in the tls.Conn, or was only noWait
	t.low.noWait = false
	return 1 + n, nil
}

// CloseWrite sends close_notify and returns when it has left.
func (t *tlsConn) CloseWrite() error {
	if err := t.Conn.CloseWrite(); err != nil {
		return err
	}
	out := &t.low.c.out
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.drain()
}

// Flush is for [Conn]: it returns when the records have left.
func (t *tlsConn) Flush(ctx context.Context) error { return t.low.c.Out.Flush(ctx) }

func (t *tlsConn) SetWriteDeadline(d time.Time) error {
	t.writable.set(d)
	return nil
}

func (t *tlsConn) SetReadDeadline(d time.Time) error { return t.low.SetReadDeadline(d) }

func (t *tlsConn) SetDeadline(d time.Time) error {
	t.writable.set(d)
	return t.low.SetReadDeadline(d)
}

func (t *tlsConn) Close() error {
	t.writable.set(longAgo)
	_ = t.Conn.CloseWrite() // fails if it was called before, or the connection is broken
	t.low.c.inEnded(true)   // the Conn above has had the peer's close_notify, or has lingered in vain
	return t.low.Close()
}

// Abort is for [Conn]: a reset.
func (t *tlsConn) Abort() { t.low.c.Out.Abort(net.ErrClosed) }

// tlsLower is the net.Conn below a tls.Conn: reads go to the descriptor, writes to the buffer of the Conn, where they
// never block. It trusts the tlsConn to write only when there is room; the rest, alerts and the like, is small.
type tlsLower struct {
	c      *Conn
	noWait bool // Read does not wait: it returns a timeout, which a tls.Conn survives
	eof    bool // the peer has ended the stream below
	up     bool // the handshake is done
}

func (l *tlsLower) Read(p []byte) (n int, err error) {
	in := &l.c.in
	switch {
	case in.r < in.w:
		n = copy(p, in.buf[in.r:in.w])
		in.Discard(n)
		return n, nil
	case !l.noWait:
		n, err = in.readOnce(p, 0)
	case in.raw.ok():
		n = in.raw.readNow(p, 0)
	}
	if n == 0 && err == nil {
		return 0, os.ErrDeadlineExceeded
	}
	if isEnd(err) {
		err = l.c.out.endOr(err)
	}
	l.eof = l.eof || isEnd(err)
	return n, err
}

func (l *tlsLower) Write(p []byte) (int, error) { return l.c.out.write(p) }

// Close drains and closes, but during the handshake it aborts: that is how a tls.Conn gives up.
func (l *tlsLower) Close() error {
	if !l.up {
		l.c.Out.Abort(net.ErrClosed)
		return nil
	}
	err := l.c.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (l *tlsLower) LocalAddr() net.Addr               { return l.c.LocalAddr() }
func (l *tlsLower) RemoteAddr() net.Addr              { return l.c.RemoteAddr() }
func (l *tlsLower) SetReadDeadline(t time.Time) error { return l.c.nc.SetReadDeadline(t) }
func (l *tlsLower) SetWriteDeadline(time.Time) error  { return nil } // writes do not block
func (l *tlsLower) SetDeadline(t time.Time) error     { return l.SetReadDeadline(t) }

// expiry is a deadline as a context.
type expiry struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc
}

func (e *expiry) init() { e.ctx, e.cancel = context.Background(), func() {} }

func (e *expiry) context() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ctx
}

// set makes the context end at t; the zero time means never.
func (e *expiry) set(t time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !t.IsZero():
		if !t.After(time.Now()) {
			e.cancel() // whoever waits has the old context
			e.ctx, e.cancel = expired, func() {}
			return
		}
		e.cancel()
		e.ctx, e.cancel = context.WithDeadline(context.Background(), t)
	case e.ctx.Err() != nil || e.ctx != context.Background():
		e.cancel()
		e.ctx, e.cancel = context.WithCancel(context.Background())
	}
}

// over reports whether err says that a context of e ended.
func (e *expiry) over(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
