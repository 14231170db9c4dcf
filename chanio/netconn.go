package chanio

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// AsNetConn returns conn as a [net.Conn], for code that needs one: net/http, TLS libraries, ssh. The caller becomes the
// only consumer of conn.In. Concurrent Reads queue, and so do Writes, whose bytes are not interleaved. A Read that ends
// because of a deadline has consumed nothing. A Write returns when its bytes have been accepted, at most 64 KiB at a time,
// and its count is what will be sent. Close makes blocked calls return [net.ErrClosed] and then waits for accepted bytes
// to be sent, as [Conn.Close] does. CloseWrite half-closes.
//
// [NewConn] of the result returns conn itself.
func AsNetConn(conn *Conn) net.Conn {
	up := conn.In.Claim("chanio.AsNetConn")
	return &netConn{conn: conn, up: up, reading: make(chan struct{}, 1), writing: make(chan struct{}, 1)}
}

// netConn is a Conn seen as a net.Conn.
type netConn struct {
	conn          *Conn
	up            Upstream[[]byte]
	reading       chan struct{} // full while a Read runs
	writing       chan struct{} // full while a Write runs
	reads, writes deadline.Context
	closed        atomic.Bool
}

// pieceMax is how much of a Write is accepted at once.
const pieceMax = 64 << 10

func (c *netConn) Read(p []byte) (int, error) {
	ctx := c.reads.Once()
	if err := enter(c.reading, ctx); err != nil {
		return 0, c.opError("read", err)
	}
	defer func() { <-c.reading }()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.up.Bytes().Read(ctx, p)
	if err != nil {
		if err = c.up.Fail(ctx, err); err != io.EOF {
			err = c.opError("read", err)
		}
	}
	return n, err
}

// enter waits until turn is free, and takes it. It returns the error of ctx if that has ended.
func enter(turn chan struct{}, ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *netConn) Write(p []byte) (n int, err error) {
	ctx := c.writes.Once()
	if err := enter(c.writing, ctx); err != nil {
		return 0, c.opError("write", err)
	}
	defer func() { <-c.writing }()
	for first := true; first || n < len(p); first = false {
		piece := p[n:min(len(p), n+pieceMax)]
		err := ctx.Err() // a Sink with room may not look at it
		if err == nil {
			err = c.conn.Out.Send(ctx, piece)
		}
		if err != nil {
			return n, c.opError("write", err)
		}
		n += len(piece)
	}
	return n, nil
}

// opError returns err as a net.Conn reports it.
func (c *netConn) opError(op string, err error) error {
	switch {
	case c.closed.Load():
		err = net.ErrClosed
	case errors.Is(err, context.DeadlineExceeded):
		err = os.ErrDeadlineExceeded
	}
	var wrapped *net.OpError
	if errors.As(err, &wrapped) {
		return err
	}
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *netConn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	past := time.Unix(1, 0)
	_ = c.reads.SetDeadline(past)
	_ = c.writes.SetDeadline(past)
	if err := c.conn.Close(); err != nil {
		return c.opError("close", err)
	}
	return nil
}

// CloseWrite half-closes the connection once what was written has been sent.
func (c *netConn) CloseWrite() error { return c.conn.Out.Close() }

// Abort ends the connection at once, with a reset if the transport has one.
func (c *netConn) Abort() { c.conn.Abort(net.ErrClosed) }

func (c *netConn) LocalAddr() net.Addr  { return c.conn.LocalAddr() }
func (c *netConn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

func (c *netConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *netConn) SetReadDeadline(t time.Time) error  { return c.setDeadline(&c.reads, t) }
func (c *netConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.writes, t) }

func (c *netConn) setDeadline(ctx *deadline.Context, t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	return ctx.SetDeadline(t)
}
