package httpd

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/servers"
)

// unflushed is how much of a body is kept so that a short one gets its Content-Length.
const unflushed = 2048

var buffers = sync.Pool{New: func() any { return new([unflushed]byte) }}

// response is the http.ResponseWriter of one request.
type response struct {
	conn *conn
	req  *http.Request
	body *requestBody // nil if the request has none

	isHead     bool
	http11     bool
	keepAlive  bool // the connection may go on behind this reply
	fullDuplex bool

	header      http.Header
	status      int
	wroteHeader bool
	headDone    bool // the head has been handed to the writer
	finished    bool

	plan    plan   // from the header, at WriteHeader
	lines   []byte // its field lines, then
	length  int64  // declared, or -1
	written int64  // by the handler
	framing http1.Framing

	buf    *[unflushed]byte
	n      int    // of buf
	uncork func() // while small pieces are held back

	closers []func() // called when the handler has returned
}

var errFinished = errors.New("httpd: the handler has returned")

func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

func (w *response) WriteHeader(status int) {
	switch {
	case w.conn.hijacked:
		w.conn.srv.log.Warn("httpd: WriteHeader on a hijacked connection", "target", w.req.RequestURI)
		return
	case w.wroteHeader, w.finished:
		w.conn.srv.log.Warn("httpd: superfluous WriteHeader", "status", status, "target", w.req.RequestURI)
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.inform(status)
		return
	}
	w.wroteHeader, w.status = true, status
	if w.body != nil {
		w.body.asked.replyBegins()
	}
	w.snapshot()
}

// inform sends an informational response at once.
func (w *response) inform(status int) {
	if !w.http11 {
		return // a client of 1.0 does not know them: RFC 9110 15.2
	}
	if status == http.StatusContinue && w.body != nil {
		w.body.asked.answered()
	}
	p := http1.AppendStatusLine(w.conn.sink.Begin(), status)
	p, _ = w.appendFields(p, func(k http1.Known, _ string) bool {
		return k != http1.ContentLength && k != http1.TransferEncoding
	})
	if w.conn.sink.End(w.conn.io, http1.AppendHeadEnd(p), nil) == nil {
		_ = w.conn.nc.Out.Flush(w.conn.io) // what follows fails too
	}
}

func (w *response) Write(p []byte) (int, error) {
	if err := w.admit(len(p)); err != nil || len(p) == 0 {
		return 0, err
	}
	if w.n+len(p) <= unflushed {
		w.n += copy(w.room(), p)
		return len(p), nil
	}
	if err := w.pass(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *response) WriteString(s string) (int, error) {
	if w.n+len(s) > unflushed {
		return w.Write([]byte(s))
	}
	if err := w.admit(len(s)); err != nil || len(s) == 0 {
		return 0, err
	}
	w.n += copy(w.room(), s)
	return len(s), nil
}

// admit begins the reply and counts n bytes of its body.
func (w *response) admit(n int) error {
	switch {
	case w.conn.hijacked:
		return http.ErrHijacked
	case w.finished:
		return errFinished
	}
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case n == 0:
		return nil
	case !bodyAllowed(w.status):
		return http.ErrBodyNotAllowed
	}
	w.written += int64(n)
	if w.length >= 0 && w.written > w.length {
		return http.ErrContentLength
	}
	return nil
}

func (w *response) room() []byte {
	if w.buf == nil {
		w.buf = buffers.Get().(*[unflushed]byte)
	}
	return w.buf[w.n:]
}

// pass writes what is kept, then p. From then on small pieces are held back until there are many, the handler returns, or
// it flushes.
func (w *response) pass(p []byte) error {
	if w.uncork == nil {
		w.uncork = w.conn.nc.Out.Cork()
	}
	if w.n > 0 {
		n := copy(w.room(), p) // so that the type is told from as much as there is
		w.n, p = w.n+n, p[n:]
		if err := w.flushKept(); err != nil {
			return err
		}
	}
	if len(p) <= unflushed && w.headDone {
		w.n = copy(w.room(), p)
		return nil
	}
	return w.send(p)
}

// flushKept writes the head, if that is still due, and what is kept.
func (w *response) flushKept() error {
	kept := w.kept()
	w.n = 0
	return w.send(kept)
}

// send writes the head, if that is still due, and p.
func (w *response) send(p []byte) error {
	var scratch []byte
	if !w.headDone {
		scratch = w.appendHead(w.conn.sink.Begin(), p, false)
	}
	if w.isHead {
		p = nil
	}
	if len(scratch)+len(p) == 0 {
		return nil
	}
	return w.conn.writer.Write(w.conn.io, scratch, p)
}

func (w *response) kept() []byte {
	if w.n == 0 {
		return nil
	}
	return w.buf[:w.n]
}

// Flush is FlushError without the error.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError sends what was written. It returns when it has left the process.
func (w *response) FlushError() error {
	switch {
	case w.conn.hijacked:
		return http.ErrHijacked
	case w.finished:
		return errFinished
	}
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	if err := w.flushKept(); err != nil {
		return err
	}
	w.release()
	return w.conn.nc.Out.Flush(w.conn.io)
}

func (w *response) release() {
	if w.uncork != nil {
		w.uncork()
		w.uncork = nil
	}
}

// SetReadDeadline is for http.ResponseController: it takes the place of Config.BodyTimeout.
func (w *response) SetReadDeadline(t time.Time) error {
	w.conn.deadline.Store(&t)
	return w.conn.nc.SetReadDeadline(t)
}

// SetWriteDeadline is for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error { return w.conn.nc.SetWriteDeadline(t) }

// EnableFullDuplex is for http.ResponseController: the body of the request may be read after the reply has begun.
func (w *response) EnableFullDuplex() error {
	w.fullDuplex = true
	return nil
}

// Hijack hands the connection over. What the client has sent already is read from it first.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c := w.conn
	switch {
	case c.hijacked:
		return nil, nil, http.ErrHijacked
	case w.finished:
		return nil, nil, errFinished
	}
	if w.wroteHeader {
		if err := w.flushKept(); err != nil {
			return nil, nil, err
		}
	}
	w.release()
	c.watch.end()
	c.hijacked = true
	if !c.undrain() { // otherwise a Shutdown ends the input from now on
		c.nc.EndIn(servers.ErrShutdown)
	}
	if w.body != nil {
		_ = w.body.Close()
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	_ = c.nc.SetWriteDeadline(time.Time{})
	c.up.Release()
	c.release()
	nc := chanio.AsNetConn(c.nc)
	return nc, bufio.NewReadWriter(bufio.NewReader(nc), bufio.NewWriter(nc)), nil
}

// finish ends the reply when the handler has returned, and reports whether the connection goes on.
func (w *response) finish() (goesOn bool) {
	w.closeStreams()
	if status := w.body.status(); status != 0 && !w.wroteHeader {
		w.finished = true
		w.conn.refuse(status, w.isHead)
		return false
	}
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	err := w.end()
	w.finished = true
	w.release()
	if w.buf != nil {
		buffers.Put(w.buf)
		w.buf = nil
	}
	_ = w.conn.nc.SetWriteDeadline(time.Time{})
	if w.body != nil {
		_ = w.body.Close()
	}
	switch {
	case err == http1.ErrBodyTooShort:
		return false // which the client can tell by the length
	case err != nil:
		w.conn.nc.Abort(err)
		return false
	}
	return w.keepAlive && (w.body == nil || w.body.settle())
}

// end writes what is left of the reply.
func (w *response) end() error {
	kept := w.kept()
	var scratch, trailers []byte
	if !w.headDone {
		scratch = w.appendHead(w.conn.sink.Begin(), kept, true)
	}
	if w.isHead {
		kept = nil
	}
	if w.framing.Kind == http1.Chunked {
		trailers = w.appendTrailers(nil)
	}
	return w.conn.writer.Finish(w.conn.io, scratch, kept, trailers)
}
