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

// streamResponse is the http.ResponseWriter of a stream of HTTP/2, and what serves it.
type streamResponse struct {
	output
	stream  *http2.Stream
	ctx     requestContext
	body    *streamBody // nil if the request has none
	refused int         // the status of a request that no handler sees, or 0

	wroteHeader atomic.Bool
	tunnel      *chanio.Conn // made of the stream

	fields []http2.Field // of the header, at WriteHeader
	inline [12]http2.Field
}

// Serve serves the request.
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

// letGo lets go of the request, also if the handler did not return.
func (w *streamResponse) letGo() {
	if w.tunnel != nil {
		w.conn.forget(w.tunnel)
	}
	removeForm(w.req)
	w.over()
}

// Gone ends the context of the request: the client has reset the stream, or is gone.
func (w *streamResponse) Gone(why *http2.StreamError) {
	w.ctx.Done() // so that the context has a cause
	w.ctx.end(why)
}

// call calls the handler. It returns false if that panicked, having reset the stream.
func (w *streamResponse) call() (ok bool) {
	defer func() {
		if ok {
			return
		}
		v := recover()
		if v == nil { // runtime.Goexit, which the engine takes care of
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

// over tells the hooks that the exchange is over.
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
	w.rec.ended(&w.ctx)
}

// refuse answers a request that no handler sees.
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
		head = w.head(start, false)
	}
	if head == nil && len(p) == 0 {
		return nil
	}
	return w.stream.Out.Respond(ctx, head, p, false, nil)
}

func (w *streamResponse) flushed(ctx context.Context) error { return w.stream.Out.Flush(ctx) }

// declare is for streamWriter.
func (w *streamResponse) declare(length int64) { w.length = length }

// closeAfter is for streamWriter: the client is told to send no more requests, and those that are on their way are served.
func (w *streamResponse) closeAfter() { w.conn.h2.Shutdown() }

// abort is for streamWriter.
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
	if w.body != nil {
		w.body.asked.replyBegins()
	}
	w.snapshot()
}

// inform sends an informational response of the handler at once.
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

// SetReadDeadline is for http.ResponseController.
func (w *streamResponse) SetReadDeadline(t time.Time) error {
	w.stream.In.SetDeadline(t)
	return nil
}

// SetWriteDeadline is for http.ResponseController.
func (w *streamResponse) SetWriteDeadline(t time.Time) error {
	w.stream.Out.SetDeadline(t)
	return nil
}

// EnableFullDuplex is for http.ResponseController: HTTP/2 is always so.
func (w *streamResponse) EnableFullDuplex() error { return nil }

// Push is not supported: browsers have removed it.
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
	if !w.headDone && w.tunnels() { // which nobody has opened, RFC 9110 9.3.6
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

// overrule sends a refusal in the place of the handler's reply, whose head has not been sent.
func (w *streamResponse) overrule(status int) {
	w.wroteHeader.Store(false)
	w.header, w.plan, w.length, w.n, w.written = nil, plan{}, -1, 0, 0
	w.refuse(status)
	w.n, w.written = 0, 0 // what the server itself says does not count
	w.finished = true
	if w.body != nil {
		_ = w.body.Close()
	}
}

// end writes what is left of the reply.
func (w *streamResponse) end() error {
	defer w.release()
	kept := w.kept()
	var head []http2.Field
	if !w.headDone {
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
