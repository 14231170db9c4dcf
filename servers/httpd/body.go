package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/http1"
)

// requestBody is the Body of one request. Concurrent Reads are served one after another.
type requestBody struct {
	of   *serving
	conn *conn // nil after cut
	resp *response
	req  *http.Request
	bad  atomic.Int32 // the status for what is wrong with the message, or 0
	both atomic.Bool  // the reply is full duplex
	bodyState
}

// reset prepares b for the body of another request.
func (b *requestBody) reset(c *conn, w *response, r *http.Request, expects bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked.set(expects)
	b.of, b.conn, b.resp, b.req = c.serving, c, w, r
	b.configure(c.srv.cfg.MaxBody)
	b.got.Store(0)
	b.waited = 0
	b.closed, b.over, b.err = false, false, nil
	b.bad.Store(0)
	b.both.Store(false)
}

func (b *requestBody) Read(p []byte) (int, error) { return b.readContext(b.of.io, p) }

// readContext is Read with a ctx. If ctx ends first, nothing is read and the body remains usable.
func (b *requestBody) readContext(ctx context.Context, p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if read, err := b.readyLocked(p); !read {
		return 0, err
	}
	b.asked.accept(b.invite)
	c := b.conn
	at := c.readDeadline()
	if at.IsZero() && !b.both.Load() {
		at = deadline.In(c.srv.cfg.BodyTimeout)
		if c.srv.cfg.MinBodyRate > 0 {
			began := time.Now()
			defer func() { b.waited += time.Since(began) }()
			at = deadline.Earlier(at, began.Add(b.patienceLocked(c.srv.cfg.MinBodyRate)))
		}
	}
	_ = c.setReadDeadline(at)
	n, err := c.body.Read(ctx, p)
	if err != nil && ctx.Err() != nil && chanio.Resumable(ctx, err) {
		return n, err
	}
	return b.took(n, err)
}

// invite sends 100 Continue.
func (b *requestBody) invite() {
	p := append(b.conn.sink.Begin(), "HTTP/1.1 100 Continue\r\n\r\n"...)
	_ = b.conn.sink.End(b.conn.io, p, nil) // if it fails, the Read that follows fails too
}

// took records what a read returned.
func (b *requestBody) took(n int, err error) (int, error) {
	c := b.conn
	n, err = b.boundLocked(n, err)
	switch {
	case err == io.EOF, err == nil && c.body.Done():
		b.end()
		return n, io.EOF
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.readDeadline().IsZero():
		return n, err // not kept: the deadline is the handler's, which may extend it
	}
	b.err = b.blamed(err)
	if end := c.nc.In.Err(); errors.Is(err, io.ErrUnexpectedEOF) || end != nil && errors.Is(err, end) {
		c.clientGone(c.current.Load(), err)
	}
	return n, b.err
}

// blamed wraps an error of reading for the handler. A malformed message is the client's fault.
func (b *requestBody) blamed(err error) error {
	var broken *http1.Error
	switch {
	case errors.As(err, &broken):
		b.bad.Store(int32(broken.Status))
		return &RequestError{broken.Status, err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &RequestError{http.StatusRequestTimeout, err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		b.bad.Store(http.StatusBadRequest)
	}
	return err
}

// fault returns the status to send if the body, as far as it was read, is malformed or ended too early, otherwise 0. It
// does not wait for a Read.
func (b *requestBody) fault() int {
	if b == nil {
		return 0
	}
	return int(b.bad.Load())
}

// end records the end of the body. From then on the connection may be watched.
func (b *requestBody) end() {
	b.over = true
	mergeTrailers(b.req, b.conn.body.Trailers())
	b.conn.watch.allow(b.conn)
}

// Close makes further Reads fail. The rest of the body is dropped when the reply starts or the handler returns.
func (b *requestBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// lock locks mu for the goroutine of the connection. It gives a Read in progress, which another goroutine of the handler
// may have left behind, DrainTimeout.
func (b *requestBody) lock() {
	if b.mu.TryLock() {
		return
	}
	_ = b.conn.setReadDeadline(deadline.Earlier(deadline.In(b.conn.srv.cfg.DrainTimeout), b.conn.readDeadline()))
	b.mu.Lock()
}

// leave is Close after the handler has returned or has taken over the connection.
func (b *requestBody) leave() {
	b.lock()
	defer b.mu.Unlock()
	b.closed = true
}

// cut ends the body for good, unless a goroutine is reading it. A request that is kept does not keep its connection.
func (b *requestBody) cut() {
	if b.mu.TryLock() {
		defer b.mu.Unlock()
		b.closed, b.conn, b.resp = true, nil, nil
	}
}

// settle reads and drops the rest of the body, and reports whether the connection can be reused. It is called before a
// reply starts, so that a client that sends everything before it reads receives the reply.
func (b *requestBody) settle() bool {
	c, kept := b.conn, b.isKept()
	switch {
	case !kept:
		b.lock()
	case !b.mu.TryLock():
		return false // the handler is reading it
	}
	defer b.mu.Unlock()
	switch {
	case b.over:
		return true
	case b.err != nil, b.asked.waits(), kept:
		return false
	}
	_ = c.setReadDeadline(deadline.Earlier(deadline.In(c.srv.cfg.DrainTimeout), c.readDeadline()))
	if c.body.Drain(c.io, c.srv.cfg.MaxDrain) != nil {
		b.err = http.ErrBodyReadAfterClose
		if err := c.body.Err(); err != nil {
			b.err = b.blamed(err)
		}
		return false
	}
	b.over, b.closed = true, true
	return true
}

// mayBeSkipped reports whether the client may send another request instead of the body, because it waits for 100
// Continue and receives the reply. It does not wait for a Read.
func (b *requestBody) mayBeSkipped() bool {
	if !b.asked.waits() {
		return false
	}
	if !b.mu.TryLock() {
		return true
	}
	defer b.mu.Unlock()
	return !b.over
}

// isKept reports whether the rest of the body stays readable after the reply has begun: if MaxDrain is negative, or less
// than what is left according to Content-Length. It does not wait for a Read.
func (b *requestBody) isKept() bool {
	limit, f := b.conn.srv.cfg.MaxDrain, b.conn.head.Framing
	return limit < 0 || f.Kind == http1.Sized && f.Length-b.got.Load() > limit
}

// status returns the status for the error of the body, or 0. It does not wait for a Read.
func (b *requestBody) status() int {
	if b == nil || !b.mu.TryLock() {
		return 0
	}
	defer b.mu.Unlock()
	switch bad := b.fault(); {
	case bad != 0:
		return bad
	case errors.Is(b.err, chanio.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(b.err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	}
	return 0
}
