package httpd

import (
	"bufio"
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

// response is the http.ResponseWriter of one request.
type response struct {
	output
	body *requestBody // nil if the request has none

	http11     bool
	isConnect  bool
	keepAlive  bool // the connection may go on behind this reply
	fullDuplex bool

	wroteHeader bool
	overruled   bool // a refusal was sent in the place of the handler's reply
	bounded     bool // the handler has set a deadline for writing
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

// inform sends an informational response of the handler at once. If that fails, what follows fails too.
func (w *response) inform(status int) {
	_ = w.informWith(status, func(p []byte) []byte {
		p, _ = w.appendFields(p, func(k http1.Known, _ string) bool {
			return k != http1.ContentLength && k != http1.TransferEncoding
		})
		return p
	})
}

// informWith sends an informational response at once, whose fields appendTo appends.
func (w *response) informWith(status int, appendTo func(p []byte) []byte) error {
	if !w.http11 {
		return nil // a client of 1.0 does not know them: RFC 9110 15.2
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
			_ = w.flushed(w.conn.io) // before the handler gives up and cuts the connection
		}
		return errOverruled
	}
	if len(scratch)+len(p) == 0 {
		return nil
	}
	return w.conn.writer.Write(ctx, scratch, p)
}

func (w *response) flushed(ctx context.Context) error { return w.conn.nc.Out.Flush(ctx) }

// declare is for streamWriter.
func (w *response) declare(length int64) {
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
}

// closeAfter is for streamWriter.
func (w *response) closeAfter() { w.keepAlive = false }

// abort is for streamWriter.
func (w *response) abort(cause error) { w.conn.nc.Abort(cause) }

// SetReadDeadline is for http.ResponseController: it takes the place of Config.BodyTimeout.
func (w *response) SetReadDeadline(t time.Time) error {
	w.conn.deadline.Store(&t)
	return w.conn.setReadDeadline(t)
}

// SetWriteDeadline is for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.bounded = true
	return w.conn.nc.SetWriteDeadline(t)
}

// EnableFullDuplex is for http.ResponseController: the body of the request may be read after the reply has begun.
func (w *response) EnableFullDuplex() error {
	w.fullDuplex = true
	return nil
}

// Hijack hands the connection over. What the client has sent already is read from it first.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, err := w.handOver()
	if err != nil {
		return nil, nil, err
	}
	nc := chanio.AsNetConn(c)
	return nc, bufio.NewReadWriter(bufio.NewReader(nc), bufio.NewWriter(nc)), nil
}

// handOver is Hijack without a net.Conn.
func (w *response) handOver() (*chanio.Conn, error) {
	conn, drained, err := w.takeOver()
	if drained {
		conn.EndIn(servers.ErrShutdown)
	}
	return conn, err
}

// takeOver is handOver but for the end of the input of a server that shuts down, which it reports.
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
	c.taken = w.rec
	c.watch.end()
	c.hijacked = true
	drained = !c.undrain() // otherwise a Shutdown ends the input from now on
	if w.body != nil {
		_ = w.body.Close()
	}
	c.srv.idlers.remove(c)
	_ = c.setReadDeadline(time.Time{})
	_ = c.nc.SetWriteDeadline(time.Time{})
	c.up.Release()
	c.release()
	return c.nc, drained, nil
}

// finish ends the reply when the handler has returned, and reports whether the connection goes on.
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
		return false // which the client can tell by the length
	case err != nil:
		w.conn.nc.Abort(err)
		return false
	}
	return w.keepAlive && (w.body == nil || w.body.settle())
}

// conclude lets nobody write or read any more.
func (w *response) conclude() {
	w.finished = true
	w.release()
	w.giveBack()
	if w.bounded {
		_ = w.conn.nc.SetWriteDeadline(time.Time{})
	}
	if w.body != nil {
		_ = w.body.Close()
	}
}

// end writes what is left of the reply.
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
		trailers = w.appendTrailers(nil)
	}
	return w.conn.writer.Finish(w.conn.io, scratch, kept, trailers)
}

var _ streamWriter = (*response)(nil)
