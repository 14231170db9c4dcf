package httpd

import (
	"context"
	"net/http"
	"sync"
)

// unflushed is how much of a body is kept so that a short one gets its Content-Length.
const unflushed = 2048

var buffers = sync.Pool{New: func() any { return new([unflushed]byte) }}

// output is what the ResponseWriters of both versions have in common. It keeps the beginning of a body until there is more
// than unflushed, and what comes then in pieces is held back until there are many, the handler returns, or it flushes.
type output struct {
	conn *conn
	req  *http.Request
	via  version // the ResponseWriter

	header   http.Header
	status   int
	isHead   bool
	headDone bool  // the head has been handed on
	finished bool  // the handler has returned
	length   int64 // declared, or -1
	wasReset bool  // by the handler
	written  int64 // by the handler
	plan     plan  // from the header, at WriteHeader

	buf    *[unflushed]byte
	n      int    // of buf
	uncork func() // while small pieces are held back

	closers []func()      // called when the handler has returned
	rec     *accessRecord // what the hooks are told of the exchange, if there are any
}

// version is what the ResponseWriters of the versions do in their own way.
type version interface {
	WriteHeader(status int)

	// begun reports whether the handler has begun a reply, and taken whether it has taken the connection or the stream.
	begun() bool
	taken() bool

	// write sends the head, if that is still due, and p. start is how the body begins. ctx bounds the wait for room.
	write(ctx context.Context, start, p []byte) error

	// flushed returns when what was sent has left the process.
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

// begin begins the reply, unless there can be none any more.
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

// admit begins the reply and counts n bytes of its body.
func (o *output) admit(n int) error {
	if err := o.begin(); err != nil || n == 0 {
		return err
	}
	if !bodyAllowed(o.status) {
		return http.ErrBodyNotAllowed
	}
	o.written += int64(n)
	if o.length >= 0 && o.written > o.length {
		return http.ErrContentLength
	}
	return nil
}

func (o *output) room() []byte {
	if o.buf == nil {
		o.buf = buffers.Get().(*[unflushed]byte)
	}
	return o.buf[o.n:]
}

func (o *output) kept() []byte {
	if o.n == 0 {
		return nil
	}
	return o.buf[:o.n]
}

// pass writes what is kept, then p. From then on small pieces are held back.
func (o *output) pass(p []byte) error {
	if o.uncork == nil {
		o.uncork = o.cork()
	}
	if o.n > 0 {
		n := copy(o.room(), p) // so that the type is told from as much as there is
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

// flushKept writes the head, if that is still due, and what is kept.
func (o *output) flushKept() error {
	kept := o.kept()
	o.n = 0
	return o.send(kept)
}

// send writes the head, if that is still due, and p.
func (o *output) send(p []byte) error {
	start := p
	if o.isHead {
		p = nil
	}
	return o.via.write(o.conn.io, start, p)
}

// Flush is FlushError without the error.
func (o *output) Flush() { _ = o.FlushError() }

// FlushError sends what was written. It returns when it has left the process.
func (o *output) FlushError() error { return o.flush(o.conn.io) }

// flush is for streamWriter.
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

// release ends the holding back of small pieces.
func (o *output) release() {
	if o.uncork != nil {
		o.uncork()
		o.uncork = nil
	}
}

// giveBack returns the memory.
func (o *output) giveBack() {
	if o.buf != nil {
		buffers.Put(o.buf)
		o.buf = nil
	}
}

// put is for streamWriter. The head, and what was kept, go first and are not bounded by ctx, so that they are sent once.
func (o *output) put(ctx context.Context, p []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
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

// sendBefore writes the head, if that is still due, and what is kept. p is what comes next.
func (o *output) sendBefore(p []byte) error {
	if o.headDone || o.n > 0 {
		return o.flushKept()
	}
	return o.via.write(o.conn.io, p, nil)
}

// cork is for streamWriter.
func (o *output) cork() (uncork func()) { return o.conn.nc.Out.Cork() }

// beforeFinish is for streamWriter.
func (o *output) beforeFinish(f func()) { o.closers = append(o.closers, f) }

// closeStreams calls the functions given to beforeFinish.
func (o *output) closeStreams() {
	for _, f := range o.closers {
		f()
	}
	o.closers = nil
}
