package httpd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/http2"
)

// streamResponse is the http.ResponseWriter of an HTTP/2 stream, and its http2.Handler.
type streamResponse struct {
	output
	stream  *http2.Stream
	ctx     *requestContext
	body    *streamBody // nil if the request has none
	refused int         // the status of a request that is not passed to a handler, or 0

	wroteHeader atomic.Bool
	tunnel      *chanio.Conn // of the stream, if it has become one

	fields []http2.Field // of the header, at WriteHeader
	inline [12]http2.Field
}

// Serve implements http2.Handler.
func (w *streamResponse) Serve() {
	defer w.letGo()
	defer w.ctx.end(errServed)
	if w.refused != 0 {
		w.refuse(w.refused)
		w.rec.refused(w.refused, errRefused(w.refused))
		w.rec = nil
		return
	}
	if !w.call() {
		return
	}
	w.ctx.end(errServed)
	if w.tunnel != nil {
		<-w.stream.Done()
		return
	}
	w.finish()
}

// letGo releases the request. It is called even if the handler did not return.
func (w *streamResponse) letGo() {
	if w.tunnel != nil {
		w.conn.forget(w.tunnel)
	}
	removeForm(w.req)
	w.over()
	if w.body != nil {
		w.body.cut()
	}
}

// Gone ends the context of the request, because the client has reset the stream or disconnected.
func (w *streamResponse) Gone(why *http2.StreamError) {
	w.ctx.Done() // so that the context has a cause
	w.ctx.end(why)
}

// call calls the handler. If the handler panics, call resets the stream and returns false.
func (w *streamResponse) call() (ok bool) {
	defer func() {
		if ok {
			return
		}
		v := recover()
		if v == nil { // runtime.Goexit, which package http2 handles
			w.rec.note(chanio.Recovered(nil))
		} else {
			failure := w.conn.srv.panicked(w.conn.remote, lineOf(w.req), v)
			w.rec.note(failure)
			w.release()
			w.stream.Reset(http2.InternalError, failure)
		}
	}()
	w.rec.began()
	w.conn.route(w.body.waits(), w.req).ServeHTTP(w, w.req)
	return true
}

// over calls the hooks at the end of the exchange.
func (w *streamResponse) over() {
	if w.rec == nil {
		return
	}
	if w.body != nil {
		w.rec.Received = w.body.got.Load()
	}
	w.rec.fill(&w.output)
	if w.tunnel != nil {
		w.rec.Received, w.rec.Sent = w.stream.Bytes()
	}
	w.rec.ended(w.ctx)
}

// refuse answers a request without calling a handler.
func (w *streamResponse) refuse(status int) {
	text := http.StatusText(status) + "\n"
	w.header = http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
	_ = w.end()
}

func (w *streamResponse) begun() bool { return w.wroteHeader.Load() }

func (w *streamResponse) taken() bool { return w.tunnel != nil }

func (w *streamResponse) write(ctx context.Context, start, p []byte) error {
	var head []http2.Field
	if !w.headDone {
		if err := w.stream.Err(); err != nil {
			return err // so the head was never written
		}
		head = w.head(start, false)
	}
	switch {
	case head == nil && len(p) == 0:
		return nil
	case head != nil && w.body == nil && (w.isHead || !bodyAllowed(w.status)) && !w.tunnels():
		return w.stream.Out.LastHead(ctx, head) // or the client would wait for the handler's return
	}
	return w.stream.Out.Respond(ctx, head, p, false, nil)
}

func (w *streamResponse) flushed(ctx context.Context) error { return w.stream.Out.Flush(ctx) }

// declare implements streamWriter. More trailers may follow announced ones, as on HTTP/1.
func (w *streamResponse) declare(length int64) bool {
	w.length = length
	return w.isHead || len(w.header["Trailer"]) == 0
}

// closeAfter implements streamWriter. The client is asked to send no more requests. Requests that are on their way are
// served.
func (w *streamResponse) closeAfter() { w.conn.h2.Shutdown() }

// abort implements streamWriter.
func (w *streamResponse) abort(cause error) { w.stream.Reset(http2.InternalError, cause) }

func (w *streamResponse) WriteHeader(status int) {
	switch {
	case w.begun(), w.finished, w.tunnel != nil:
		w.conn.srv.log.Warn("httpd: superfluous WriteHeader", "status", status, "target", w.req.RequestURI)
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case status == http.StatusSwitchingProtocols:
		w.conn.srv.log.Warn("httpd: HTTP/2 has no 101", "target", w.req.RequestURI)
		status = http.StatusInternalServerError
	case status < 200:
		_ = w.inform(status, w.header)
		return
	}
	w.status = status
	w.wroteHeader.Store(true)
	w.snapshot()
}

// inform sends an informational response at once.
func (w *streamResponse) inform(status int, header http.Header) error {
	if status == http.StatusContinue && w.body != nil {
		w.body.asked.answered()
	}
	return w.sendInformational(status, header)
}

func (w *streamResponse) sendInformational(status int, header http.Header) error {
	head := []http2.Field{{Name: ":status", Value: strconv.Itoa(status)}}
	head, _ = appendHeaderFields(head, header, func(k http1.Known, _ string) bool { return k != http1.ContentLength })
	if err := w.stream.Out.Headers(w.conn.io, head); err != nil {
		return err
	}
	return w.stream.Out.Flush(w.conn.io)
}

// SetReadDeadline supports http.ResponseController.
func (w *streamResponse) SetReadDeadline(t time.Time) error {
	w.stream.In.SetDeadline(t)
	return nil
}

// SetWriteDeadline supports http.ResponseController.
func (w *streamResponse) SetWriteDeadline(t time.Time) error {
	w.stream.Out.SetDeadline(t)
	return nil
}

// EnableFullDuplex supports http.ResponseController. HTTP/2 is always full duplex.
func (w *streamResponse) EnableFullDuplex() error { return nil }

// Push is not supported, because browsers have removed it.
func (w *streamResponse) Push(string, *http.PushOptions) error { return http.ErrNotSupported }

// finish ends the reply when the handler has returned.
func (w *streamResponse) finish() {
	w.closeStreams()
	if w.wasReset {
		w.release()
		w.giveBack()
		w.finished = true
		return
	}
	if status := w.body.status(); status != 0 && !w.begun() {
		w.rec.note(w.body.failure())
		w.overrule(status)
		return
	}
	if !w.begun() {
		w.WriteHeader(http.StatusOK)
	}
	if !w.headDone && w.tunnels() { // no tunnel was opened: RFC 9110 9.3.6
		w.overrule(http.StatusNotImplemented)
		return
	}
	if err := w.end(); err != nil {
		w.rec.note(err)
		w.stream.Reset(http2.InternalError, err)
	}
	w.finished = true
	if w.body != nil {
		_ = w.body.Close()
	}
}

// overrule replaces the handler's reply, of which nothing has been sent, with a refusal.
func (w *streamResponse) overrule(status int) {
	w.wroteHeader.Store(false)
	w.header, w.plan, w.length, w.n, w.written, w.excess = nil, plan{}, -1, 0, 0, false
	w.refuse(status)
	w.n, w.written = 0, 0 // the refusal is not counted
	w.finished = true
	if w.body != nil {
		_ = w.body.Close()
	}
}

// end writes the rest of the reply.
func (w *streamResponse) end() error {
	defer w.release()
	kept := w.kept()
	var head []http2.Field
	if !w.headDone {
		if err := w.stream.Err(); err != nil {
			w.giveBack()
			return err
		}
		head = w.head(kept, true)
	}
	if w.length >= 0 && w.written < w.length && !w.isHead && bodyAllowed(w.status) {
		if head != nil {
			_ = w.stream.Out.Respond(w.conn.io, head, kept, false, nil)
		}
		return errShort
	}
	if w.isHead {
		kept = nil
	}
	w.stream.Out.SetDeadline(time.Time{})
	err := w.stream.Out.Respond(w.conn.io, head, kept, true, w.trailers())
	w.giveBack()
	return err
}

var _ interface {
	http.ResponseWriter
	http.Flusher
	http.Pusher
	io.StringWriter
	http2.Handler
} = (*streamResponse)(nil)

var _ streamWriter = (*streamResponse)(nil)
