package httpd

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/servers"
)

// response is the http.ResponseWriter of an HTTP/1 request.
type response struct {
	output
	body *requestBody // nil if the request has none

	http11    bool
	isConnect bool
	keepAlive bool // the connection may continue after this reply

	wroteHeader bool
	overruled   bool // a refusal has replaced the handler's reply
	bounded     bool // the handler has set a write deadline
	framing     http1.Framing
}

var (
	errFinished  = errors.New("httpd: the handler has returned")
	errOverruled = errors.New("httpd: the request was refused, because its body is malformed")
)

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

// inform sends an informational response at once. If that fails, later writes fail too.
func (w *response) inform(status int) {
	_ = w.informWith(status, func(p []byte) []byte {
		p, _ = w.appendFields(p, func(k http1.Known, _ string) bool {
			return k != http1.ContentLength && k != http1.TransferEncoding
		})
		return p
	})
}

// informWith sends an informational response at once. appendTo appends its fields.
func (w *response) informWith(status int, appendTo func(p []byte) []byte) error {
	if !w.http11 {
		return nil // HTTP/1.0 has none: RFC 9110 15.2
	}
	if status == http.StatusContinue && w.body != nil {
		w.body.asked.answered()
	}
	p := appendTo(http1.AppendStatusLine(w.conn.sink.Begin(), status))
	if err := w.conn.sink.End(w.conn.io, http1.AppendHeadEnd(p), nil); err != nil {
		return err
	}
	return w.conn.nc.Out.Flush(w.conn.io)
}

func (w *response) begun() bool { return w.wroteHeader || w.conn.hijacked }

func (w *response) taken() bool { return w.conn.hijacked }

func (w *response) write(ctx context.Context, start, p []byte) error {
	var scratch []byte
	if !w.headDone {
		scratch = w.appendHead(w.conn.sink.Begin(), start, false)
	}
	if w.overruled {
		if scratch != nil && w.conn.writer.Write(ctx, scratch, nil) == nil {
			_ = w.flushed(w.conn.io) // before the handler aborts the connection
		}
		return errOverruled
	}
	if len(scratch)+len(p) == 0 {
		return nil
	}
	return w.conn.writer.Write(ctx, scratch, p)
}

func (w *response) flushed(ctx context.Context) error { return w.conn.nc.Out.Flush(ctx) }

// declare implements streamWriter. Trailers need a chunked body.
func (w *response) declare(length int64) bool {
	w.plan.unsized = w.plan.hasTrailers && w.http11 && !w.isHead
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	return !w.plan.unsized
}

// closeAfter implements streamWriter.
func (w *response) closeAfter() { w.keepAlive = false }

// abort implements streamWriter.
func (w *response) abort(cause error) { w.conn.abort(cause) }

// SetReadDeadline supports http.ResponseController. The deadline replaces Config.BodyTimeout.
func (w *response) SetReadDeadline(t time.Time) error {
	if w.finished {
		return errFinished // the deadline would be that of the next request
	}
	w.conn.deadline.Store(&t)
	return w.conn.setReadDeadline(t)
}

// SetWriteDeadline supports http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	if w.finished {
		return errFinished
	}
	w.bounded = true
	return w.conn.nc.SetWriteDeadline(t)
}

// EnableFullDuplex supports http.ResponseController. The body of the request may then be read after the reply has
// started.
func (w *response) EnableFullDuplex() error {
	if w.body != nil {
		w.body.both.Store(true) // another goroutine may be reading it
	}
	return nil
}

// Hijack implements http.Hijacker. The net.Conn first yields what the client has already sent.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, err := w.handOver()
	if err != nil {
		return nil, nil, err
	}
	nc := chanio.AsNetConn(c)
	return nc, bufio.NewReadWriter(bufio.NewReader(nc), bufio.NewWriter(nc)), nil
}

// handOver is Hijack for a chanio.Conn.
func (w *response) handOver() (*chanio.Conn, error) {
	conn, drained, err := w.takeOver()
	if drained {
		conn.EndIn(servers.ErrShutdown)
	}
	return conn, err
}

// takeOver is handOver, except that it does not end the input if the server is shutting down, but reports that.
func (w *response) takeOver() (conn *chanio.Conn, drained bool, err error) {
	c := w.conn
	switch {
	case c.hijacked:
		return nil, false, http.ErrHijacked
	case w.finished:
		return nil, false, errFinished
	}
	if w.wroteHeader {
		if err := w.flushKept(); err != nil {
			return nil, false, err
		}
	}
	w.release()
	w.rec.tunnels(&w.output)
	c.taken = &takeover{rec: w.rec}
	c.watch.end()
	c.hijacked = true
	drained = !c.undrain() // otherwise a later Shutdown ends the input
	if w.body != nil {
		w.body.leave()
	}
	c.srv.idlers.remove(c)
	_ = c.setReadDeadline(time.Time{})
	_ = c.nc.SetWriteDeadline(time.Time{})
	c.up.Release()
	c.release()
	return c.nc, drained, nil
}

// finish ends the reply after the handler has returned, and reports whether the connection continues.
func (w *response) finish() (goesOn bool) {
	w.closeStreams()
	if w.wasReset {
		w.rec.note(errReset)
		w.conclude()
		return false
	}
	if status := w.body.status(); status != 0 && !w.wroteHeader {
		w.finished = true
		w.status, w.headDone, w.n, w.written = status, true, 0, 0
		w.rec.headSent()
		w.rec.note(w.body.failure())
		w.conn.refuse(status, w.isHead)
		return false
	}
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	err := w.end()
	w.conclude()
	w.rec.note(err)
	switch {
	case err == http1.ErrBodyTooShort:
		return false // the client detects this by the length
	case err != nil:
		w.conn.abort(err)
		return false
	}
	return w.keepAlive && (w.body == nil || w.body.settle())
}

// conclude ends all reading and writing.
func (w *response) conclude() {
	w.finished = true
	w.release()
	w.buf = nil
	if w.bounded {
		_ = w.conn.nc.SetWriteDeadline(time.Time{})
	}
	if w.body != nil {
		w.body.leave()
	}
}

// end writes the rest of the reply.
func (w *response) end() error {
	kept := w.kept()
	var scratch, trailers []byte
	if !w.headDone {
		scratch = w.appendHead(w.conn.sink.Begin(), kept, true)
	}
	if w.isHead || w.overruled {
		kept = nil
	}
	if w.framing.Kind == http1.Chunked {
		if w.written < w.length { // without the last chunk
			return cmp.Or(w.conn.writer.Write(w.conn.io, scratch, kept), http1.ErrBodyTooShort)
		}
		trailers = w.appendTrailers(nil)
	}
	return w.conn.writer.Finish(w.conn.io, scratch, kept, trailers)
}

var _ streamWriter = (*response)(nil)
