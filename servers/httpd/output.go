package httpd

import (
	"context"
	"net/http"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/pool"
)

// unflushed is how much of a body is buffered, so that a short reply gets a Content-Length.
const unflushed = 2048

var buffers = pool.Pool[[unflushed]byte]{New: func() *[unflushed]byte { return new([unflushed]byte) }}

// output is the part of a ResponseWriter that HTTP/1 and HTTP/2 share. It buffers the first unflushed bytes of a body.
// Small writes after these are held back until enough have accumulated, the handler flushes, or it returns.
type output struct {
	conn *conn
	req  *http.Request
	via  version // the ResponseWriter

	header   http.Header
	status   int
	length   int64 // declared, or -1
	written  int64 // by the handler
	excess   bool  // the handler has tried to write more than length
	isHead   bool
	headDone bool // the head was passed on
	finished bool // the handler has returned
	wasReset bool // by the handler
	plan     plan // from the header, at WriteHeader

	buf    *[unflushed]byte
	n      int    // bytes in buf
	uncork func() // set while small writes are held back

	closer func()        // called when the handler has returned
	rec    *accessRecord // for the hooks, or nil
}

// version is the part of a ResponseWriter that differs between HTTP/1 and HTTP/2.
type version interface {
	WriteHeader(status int)

	// begun reports whether the handler has started a reply, and taken whether it has taken over the connection or the
	// stream.
	begun() bool
	taken() bool

	// write sends the head, unless it was sent before, and p. start is the beginning of the body. ctx bounds the wait
	// for space.
	write(ctx context.Context, start, p []byte) error

	// flushed returns when everything sent has been passed to the kernel.
	flushed(ctx context.Context) error
}

func (o *output) Header() http.Header {
	if o.header == nil {
		o.header = make(http.Header)
	}
	return o.header
}

func (o *output) Write(p []byte) (int, error) {
	if err := o.admit(len(p)); err != nil || len(p) == 0 {
		return 0, err
	}
	if o.n+len(p) <= unflushed {
		o.n += copy(o.room(), p)
		return len(p), nil
	}
	if err := o.pass(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (o *output) WriteString(s string) (int, error) {
	if o.n+len(s) > unflushed {
		return o.Write([]byte(s))
	}
	if err := o.admit(len(s)); err != nil || len(s) == 0 {
		return 0, err
	}
	o.n += copy(o.room(), s)
	return len(s), nil
}

// begin starts the reply if that is still possible.
func (o *output) begin() error {
	switch {
	case o.via.taken():
		return http.ErrHijacked
	case o.finished:
		return errFinished
	case o.wasReset:
		return errReset
	}
	if !o.via.begun() {
		o.via.WriteHeader(http.StatusOK)
	}
	return nil
}

// admit starts the reply and counts n bytes of its body.
func (o *output) admit(n int) error {
	if err := o.begin(); err != nil || n == 0 {
		return err
	}
	if !bodyAllowed(o.status) {
		return http.ErrBodyNotAllowed
	}
	if o.length >= 0 && o.written+int64(n) > o.length {
		o.excess = true
	}
	if o.excess {
		return http.ErrContentLength
	}
	o.written += int64(n)
	return nil
}

func (o *output) room() []byte {
	if o.buf == nil {
		o.buf = buffers.Get()
	}
	return o.buf[o.n:]
}

func (o *output) kept() []byte {
	if o.n == 0 {
		return nil
	}
	return o.buf[:o.n]
}

// pass writes the buffered bytes, then p. From then on small writes are held back.
func (o *output) pass(p []byte) error {
	if o.uncork == nil {
		o.uncork = o.cork()
	}
	if o.n > 0 {
		n := copy(o.room(), p) // as much as possible, for detecting the type
		o.n, p = o.n+n, p[n:]
		if err := o.flushKept(); err != nil {
			return err
		}
	}
	if len(p) <= unflushed && o.headDone {
		o.n = copy(o.room(), p)
		return nil
	}
	return o.send(p)
}

// flushKept writes the head, unless it was sent before, and the buffered bytes.
func (o *output) flushKept() error {
	kept := o.kept()
	o.n = 0
	return o.send(kept)
}

// send writes the head, unless it was sent before, and p.
func (o *output) send(p []byte) error {
	start := p
	if o.isHead {
		p = nil
	}
	return o.via.write(o.conn.io, start, p)
}

// Flush calls FlushError and ignores the error.
func (o *output) Flush() { _ = o.FlushError() }

// FlushError sends what was written. It returns when that has been passed to the kernel.
func (o *output) FlushError() error { return o.flush(o.conn.io) }

// flush implements streamWriter.
func (o *output) flush(ctx context.Context) error {
	if err := o.begin(); err != nil {
		return err
	}
	o.rec.streams()
	if err := o.flushKept(); err != nil {
		return err
	}
	o.release()
	return o.via.flushed(ctx)
}

// release sends the small writes that are held back.
func (o *output) release() {
	if o.uncork != nil {
		o.uncork()
		o.uncork = nil
	}
}

// giveBack returns the buffer to its pool.
func (o *output) giveBack() {
	if o.buf != nil {
		buffers.Put(o.buf)
		o.buf = nil
	}
}

// CloseNotify makes o a CloseNotifier of net/http. That is deprecated, but there are frameworks that require it. The
// channel receives a value when the client has disconnected or the handler has returned.
func (o *output) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(o.req.Context(), func() { gone <- true })
	return gone
}

// put implements streamWriter. The head and the buffered bytes are sent first, once, and ctx does not bound that.
func (o *output) put(ctx context.Context, p []byte) error {
	if ctx.Err() != nil {
		return chanio.Cause(ctx)
	}
	if err := o.admit(len(p)); err != nil {
		return err
	}
	o.rec.streams()
	if !o.headDone || o.n > 0 {
		defer o.cork()()
		if err := o.sendBefore(p); err != nil {
			return err
		}
	}
	if o.isHead || len(p) == 0 {
		return nil
	}
	err := o.via.write(ctx, nil, p)
	if err != nil {
		o.written -= int64(len(p))
	}
	return err
}

// sendBefore writes the head, unless it was sent before, and the buffered bytes. p follows.
func (o *output) sendBefore(p []byte) error {
	if o.headDone || o.n > 0 {
		return o.flushKept()
	}
	return o.via.write(o.conn.io, p, nil)
}

// cork implements streamWriter.
func (o *output) cork() (uncork func()) { return o.conn.nc.Out.Cork() }

// beforeFinish implements streamWriter.
func (o *output) beforeFinish(f func()) {
	if before := o.closer; before != nil {
		o.closer = func() { before(); f() }
		return
	}
	o.closer = f
}

// closeStreams implements streamWriter. It keeps the order.
func (o *output) closeStreams() {
	if o.closer != nil {
		o.closer()
		o.closer = nil
	}
}
