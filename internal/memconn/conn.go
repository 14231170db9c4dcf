package memconn

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// DefaultCapacity is the default number of bytes that each direction of a pair buffers.
const DefaultCapacity = 64 << 10

// Conn is one end of an in-memory connection. It implements [net.Conn]. Its methods are safe for concurrent use. A call
// keeps no reference to its slice after it has returned. A Conn should be closed, but one that is merely forgotten is
// collected together with its peer.
type Conn struct {
	in, out       *stream
	local, remote net.Addr
	closing       sync.Once
}

var _ net.Conn = (*Conn)(nil)

// Pipe returns the two ends of a connection that buffers up to capacity bytes in
// each direction, [DefaultCapacity] if capacity is not positive. Their addresses
// are "pipe:a" and "pipe:b".
func Pipe(capacity int) (a, b *Conn) {
	return PipeAddrs(capacity, Addr{"pipe:a"}, Addr{"pipe:b"})
}

// PipeAddrs is [Pipe] with the addresses of the two ends, which may be of any
// network. The network's name appears in errors.
func PipeAddrs(capacity int, aAddr, bAddr net.Addr) (a, b *Conn) {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	pair := new(struct {
		a, b   Conn
		ab, ba stream
	})
	pair.ab.ring.limit = capacity
	pair.ba.ring.limit = capacity
	a, b = &pair.a, &pair.b
	a.in, a.out, a.local, a.remote = &pair.ba, &pair.ab, aAddr, bAddr
	b.in, b.out, b.local, b.remote = &pair.ab, &pair.ba, bAddr, aAddr
	return a, b
}

// Read waits for at least one byte and reads up to len(p) of those buffered. After the peer's CloseWrite or Close it
// reads what is still buffered, then returns io.EOF. Even if bytes are buffered, it fails with net.ErrClosed after this
// end was closed, with os.ErrDeadlineExceeded while a read deadline is past, and with ECONNRESET after the peer's
// Abort. Reading into an empty p does not wait.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write buffers all of p and blocks while the buffer is full. If it fails, n bytes were accepted before. It fails with
// net.ErrClosed, os.ErrDeadlineExceeded and ECONNRESET as Read does, and with EPIPE after the peer has closed or
// CloseWrite was called on this end. Concurrent Writes take turns; their bytes are not interleaved.
func (c *Conn) Write(p []byte) (n int, err error) {
	n, err = c.out.write(p)
	return n, c.wrap("write", err)
}

// TryWrite is a Write that never waits: it buffers what there is room for and returns that number, which is 0 if the
// buffer is full or another goroutine is in Write. A short count is not an error. It fails when Write would. Like a
// non-blocking write to a socket through [syscall.RawConn], it also fails while the write deadline is past; n is 0
// then.
func (c *Conn) TryWrite(p []byte) (n int, err error) {
	n, err = c.out.tryWrite(p)
	return n, c.wrap("write", err)
}

// WaitWrite waits until TryWrite may buffer something or fails. If ctx ends first it returns ctx's cause. The write
// deadline makes it return as well.
func (c *Conn) WaitWrite(ctx context.Context) error { return c.out.waitWrite(ctx) }

// TryRead is a Read that never waits: it reads what is buffered and returns that number, which is 0 if there is nothing
// or at the end of the stream. It ignores the read deadline.
func (c *Conn) TryRead(p []byte) int { return c.in.tryRead(p) }

// CloseWrite is a half-close: the peer reads what is buffered, then io.EOF, and this end can still read. Later and
// blocked Writes fail with EPIPE. It does not wait. Calling it again does nothing; after Close or Abort it returns
// net.ErrClosed.
func (c *Conn) CloseWrite() error {
	return c.wrap("close", c.out.endWrites())
}

// Close ends both directions. Blocked and later calls of this end fail with net.ErrClosed. The peer reads what is
// buffered, then io.EOF. Its Writes fail with EPIPE, and what this end has not read is lost. Close does not wait and
// always returns nil; after Close or Abort it does nothing.
func (c *Conn) Close() error {
	c.shut(false)
	return nil
}

// Abort is a reset: both directions end at once and discard what is buffered. Blocked and later calls of this end fail
// with net.ErrClosed, those of the peer with ECONNRESET. Abort does not wait; after Close or Abort it does nothing.
func (c *Conn) Abort() {
	c.shut(true)
}

// shut is Close or Abort. Only the first call has an effect.
func (c *Conn) shut(reset bool) {
	c.closing.Do(func() {
		c.out.closeWriter(reset)
		c.in.closeReader(reset)
	})
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes Reads, including a blocked one, fail with os.ErrDeadlineExceeded from t until another deadline
// is set. The zero time means no deadline. A time in the past needs no timer, so it is a cheap way to cancel a Read;
// but a blocked Read may miss it if the deadline is moved again before the Read has run. It returns net.ErrClosed after
// Close or Abort.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.wrap("set", c.in.setReadDeadline(t))
}

// SetWriteDeadline is SetReadDeadline for Write and TryWrite. A Write that fails may have written some of its bytes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.wrap("set", c.out.setWriteDeadline(t))
}

// wrap returns err as a *net.OpError. It returns io.EOF unchanged.
func (c *Conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: network(c.local), Source: c.local, Addr: c.remote, Err: err}
}

func network(a net.Addr) string {
	if a == nil {
		return Addr{}.Network()
	}
	return a.Network()
}
