package httpc

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/guard"
	"github.com/weir-go/weir/internal/http1"
)

// ownMax is how long a body may be that is copied when it has arrived with its head, so that it holds no connection.
const ownMax = 16 << 10

// attach gives r its body. One that is at hand does not keep the connection.
func (c *conn) attach(x *exchange, s *sender, r *http.Response, reuse bool) {
	n := r.ContentLength
	switch {
	case c.body.Done():
		r.Body = http.NoBody
		c.settle(x, s, reuse)
	case n > 0 && n <= ownMax && int64(len(c.src.Buffered())) >= n:
		r.Body = newBytesBody(append(make([]byte, 0, n), c.src.Buffered()[:n]...))
		c.body.Discard(int(n))
		c.settle(x, s, reuse)
	default:
		r.Body = newBody(c, x, s, r, reuse)
	}
}

// settle ends an exchange whose response has been read to its end.
func (c *conn) settle(x *exchange, s *sender, reuse bool) {
	reuse = reuse && s.complete() && len(c.src.Buffered()) == 0
	if !reuse {
		s.halt()
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	if reuse {
		c.tellPut(x.trace)
		c.t.pool.put(c)
		return
	}
	c.t.pool.remove(c, false)
	c.abort(nil)
	if trace := x.trace; trace != nil && trace.PutIdleConn != nil {
		trace.PutIdleConn(errNotReused)
	}
}

// tellPut calls the hook of a trace before another exchange has c. If the hook panics, c ends.
func (c *conn) tellPut(trace *httptrace.ClientTrace) {
	if trace == nil || trace.PutIdleConn == nil {
		return
	}
	returned := false
	defer func() {
		if !returned {
			c.t.pool.remove(c, false)
			c.abort(nil)
		}
	}()
	trace.PutIdleConn(nil)
	returned = true
}

var errNotReused = errors.New("httpc: the connection is not to be used again")

// body is the body of a response that comes over a connection, which it gives back at its end. Read and Close may be called
// by two goroutines.
type body struct {
	in    incoming
	x     *exchange
	s     *sender
	resp  *http.Response
	reuse bool

	unwatch func() bool // takes back that the end of ctx is noticed; nil if ctx does not end
	held    *time.Timer

	mu      sync.Mutex
	reading bool
	closed  bool
	over    bool  // the connection has been given back
	err     error // sticky: io.EOF, or what went wrong
	touched time.Time
	told    func(error) // of a cut while nobody read, or nil
}

func newBody(in incoming, x *exchange, s *sender, r *http.Response, reuse bool) *body {
	b := &body{in: in, x: x, s: s, resp: r, reuse: reuse}
	b.watch()
	return b
}

// watch has the connection ended when ctx ends or nobody reads for too long, no matter who is at work then.
func (b *body) watch() {
	b.mu.Lock() // the callbacks wait until all is set
	defer b.mu.Unlock()
	if b.x.ctx.Done() != nil {
		b.unwatch = context.AfterFunc(b.x.ctx, func() { b.cut(chanio.Cause(b.x.ctx)) })
	}
	if d := b.x.t.cfg.HeldTimeout; d > 0 {
		b.touched = time.Now()
		b.held = time.AfterFunc(d, b.neglected)
	}
}

// neglected is called when nobody may have read for too long.
func (b *body) neglected() {
	b.mu.Lock()
	idle := time.Since(b.touched)
	limit := b.x.t.cfg.HeldTimeout
	if b.over || b.reading || idle < limit {
		if !b.over {
			b.held.Reset(limit - min(idle, limit-1))
		}
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	b.cut(ErrHeld)
}

// cut ends the body with err, if it has not ended, and its connection.
func (b *body) cut(err error) {
	b.mu.Lock()
	if b.over || b.closed {
		b.mu.Unlock()
		return
	}
	if b.err == nil {
		b.err = err
	}
	reading, told := b.reading, b.told
	if !reading {
		b.over = true
	}
	b.mu.Unlock()
	b.in.cut(err)
	if reading {
		return // Read sees to it
	}
	b.drop(err)
	if told != nil {
		_ = guard.Call(func() { told(err) }) // the Close of somebody's Coding
	}
}

// onCut has f called when the connection is ended while nobody reads.
func (b *body) onCut(f func(error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = f
}

// Read reads some of the body.
func (b *body) Read(p []byte) (int, error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	if d := b.x.t.cfg.BodyTimeout; d > 0 {
		b.in.setDeadline(within(d))
	}
	n, err := b.in.read(b.x.ctx, p)
	return n, b.leave(n, err)
}

// WriteTo is for io.Copy: it writes the rest of the body to w, without a buffer in between.
func (b *body) WriteTo(w io.Writer) (total int64, err error) {
	for err == nil {
		var n int
		n, err = b.pass(w)
		total += int64(n)
	}
	if err == io.EOF {
		err = nil
	}
	return total, err
}

// pass writes what comes next to w.
func (b *body) pass(w io.Writer) (n int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	returned := false
	defer func() {
		if !returned { // w has panicked
			_ = b.leave(0, errClosedBody)
		}
	}()
	if d := b.x.t.cfg.BodyTimeout; d > 0 {
		b.in.setDeadline(within(d))
	}
	p, err := b.in.peek(b.x.ctx)
	if err != nil {
		returned = true
		return 0, b.leave(0, err)
	}
	n, failed := w.Write(p)
	if n < len(p) && failed == nil {
		failed = io.ErrShortWrite
	}
	b.in.advance(n)
	returned = true
	if err = b.leave(n, nil); failed != nil {
		err = failed
	}
	return n, err
}

func (b *body) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return http.ErrBodyReadAfterClose
	case b.err != nil:
		return b.err
	case b.reading:
		return errors.New("httpc: two goroutines read one body")
	}
	b.reading = true
	return nil
}

// leave ends a Read, and the exchange if the body is at its end.
func (b *body) leave(n int, err error) error {
	if err == nil && b.in.over() {
		err = io.EOF
	}
	b.mu.Lock()
	b.reading = false
	b.touched = time.Now()
	switch {
	case b.closed, b.err != nil: // meanwhile
		if b.err == nil {
			b.err = errClosedBody
		}
	case err != nil:
		b.err = b.explain(err)
	}
	err = b.err
	ends := err != nil && !b.over
	if ends {
		b.over = true
	}
	b.mu.Unlock()
	switch {
	case !ends:
	case err == io.EOF:
		b.finish()
	default:
		b.drop(err)
	}
	return err
}

// explain makes an error of the connection one of the body.
func (b *body) explain(err error) error {
	switch {
	case err == io.EOF:
		return err
	case b.x.ctx.Err() != nil:
		return chanio.Cause(b.x.ctx)
	case errors.Is(err, os.ErrDeadlineExceeded) && chanio.Resumable(b.x.ctx, err):
		return &TimeoutError{Phase: PhaseBody, After: b.x.t.cfg.BodyTimeout}
	}
	if failure := b.s.failure(); failure != nil {
		return failure
	}
	return err
}

// finish takes the trailers and gives the connection back.
func (b *body) finish() {
	b.unhook()
	b.resp.Trailer = b.in.trailers(b.resp.Trailer)
	b.in.settle(b.x, b.s, b.reuse)
}

// drop ends the connection.
func (b *body) drop(err error) {
	b.unhook()
	b.in.lose(b.s, err)
}

func (b *body) unhook() {
	if b.unwatch != nil {
		b.unwatch()
	}
	if b.held != nil {
		b.held.Stop()
	}
}

// drainTime is how long the rest of a body is waited for that was closed early.
const drainTime = 100 * time.Millisecond

// Close gives the connection back, after the rest of the body if that is short and comes soon. Otherwise, and if somebody
// is reading, it ends the connection.
func (b *body) Close() error {
	b.mu.Lock()
	if b.closed || b.over {
		b.closed = true
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	if b.reading {
		b.mu.Unlock()
		b.in.cut(net.ErrClosed)
		return nil
	}
	b.over = true
	b.mu.Unlock()
	b.unhook()
	if b.reuse && b.s.complete() && b.x.ctx.Err() == nil && b.in.drain(b.x.t.cfg.MaxDrain, drainTime) {
		b.in.settle(b.x, b.s, b.reuse)
		return nil
	}
	b.drop(net.ErrClosed)
	return nil
}

// mergeTrailers adds the trailers that came, without those that must not be there.
func mergeTrailers(trailer http.Header, f *http1.Fields) http.Header {
	for i := range f.Len() {
		if !f.Known(i).InTrailer() {
			continue
		}
		if trailer == nil {
			trailer = http.Header{}
		}
		name := http1.Canonical(f.Name(i), f.Known(i))
		trailer[name] = append(trailer[name], string(f.Value(i)))
	}
	return trailer
}

// bytesBody is a body that lies in memory.
type bytesBody struct {
	mu   sync.Mutex
	p    []byte
	done bool
}

func newBytesBody(p []byte) *bytesBody { return &bytesBody{p: p} }

func (b *bytesBody) rest() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.p
}

func (b *bytesBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.done:
		return 0, http.ErrBodyReadAfterClose
	case len(b.p) == 0:
		return 0, io.EOF
	}
	n := copy(p, b.p)
	b.p = b.p[n:]
	return n, nil
}

// WriteTo is for io.Copy.
func (b *bytesBody) WriteTo(w io.Writer) (int64, error) {
	b.mu.Lock()
	p, done := b.p, b.done
	b.p = nil
	b.mu.Unlock()
	if done {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := w.Write(p)
	return int64(n), err
}

func (b *bytesBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	return nil
}

// next returns the next piece of the body, which the caller owns. When it returns because ctx ended it has taken nothing,
// and the body goes on.
func (b *body) next(ctx context.Context) ([]byte, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	if d := b.x.t.cfg.BodyTimeout; d > 0 {
		b.in.setDeadline(within(d))
	}
	p, err := b.in.piece(ctx)
	if err != nil && ctx.Err() != nil && b.x.ctx.Err() == nil && chanio.Resumable(ctx, err) {
		return nil, b.leaveOpen(chanio.Cause(ctx))
	}
	if err = b.leave(len(p), err); len(p) > 0 {
		return p, nil // an end that came with it is told by the next call
	}
	return nil, err
}

// leaveOpen ends a read that had no effect.
func (b *body) leaveOpen(err error) error {
	b.mu.Lock()
	b.reading = false
	b.touched = time.Now()
	closed, cut := b.closed, b.err
	ends := (closed || cut != nil) && !b.over
	if ends {
		b.over = true
	}
	b.mu.Unlock()
	if ends { // meanwhile
		if cut == nil {
			cut = errClosedBody
		}
		b.drop(cut)
		return cut
	}
	return err
}
