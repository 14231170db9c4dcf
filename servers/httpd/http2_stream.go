package httpd

import (
	"context"
	"net/http"

	"github.com/weir-go/weir/internal/http2"
)

var _ streamWriter = (*streamResponse)(nil)

// put is for streamWriter. The head, and what was kept, go first and are not bounded by ctx, so that they are sent once.
func (w *streamResponse) put(ctx context.Context, p []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := w.admit(len(p)); err != nil {
		return err
	}
	if !w.headDone || w.n > 0 {
		defer w.conn.nc.Out.Cork()()
		if err := w.begin(p); err != nil {
			return err
		}
	}
	if w.isHead || len(p) == 0 {
		return nil
	}
	err := w.stream.Out.Send(ctx, p)
	if err != nil {
		w.written -= int64(len(p))
	}
	return err
}

// begin writes the head, if that is still due, and what is kept. p is what comes next.
func (w *streamResponse) begin(p []byte) error {
	if w.headDone || w.n > 0 {
		return w.flushKept()
	}
	return w.stream.Out.Headers(w.conn.io, w.head(p, false))
}

// flush is for streamWriter.
func (w *streamResponse) flush(ctx context.Context) error {
	switch {
	case w.tunnel != nil:
		return http.ErrHijacked
	case w.finished:
		return errFinished
	}
	if !w.begun() {
		w.WriteHeader(http.StatusOK)
	}
	if err := w.flushKept(); err != nil {
		return err
	}
	w.release()
	return w.stream.Out.Flush(ctx)
}

// cork is for streamWriter.
func (w *streamResponse) cork() (uncork func()) { return w.conn.nc.Out.Cork() }

// abort is for streamWriter.
func (w *streamResponse) abort(cause error) { w.stream.Reset(http2.InternalError, cause) }

// beforeFinish is for streamWriter.
func (w *streamResponse) beforeFinish(f func()) { w.closers = append(w.closers, f) }

// closeStreams calls the functions given to beforeFinish.
func (w *streamResponse) closeStreams() {
	for _, f := range w.closers {
		f()
	}
	w.closers = nil
}
