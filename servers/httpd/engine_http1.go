package httpd

import (
	"context"
	"net/http"
)

var _ streamWriter = (*response)(nil)

// put is for streamWriter. The head, and what was kept, go first and are not bounded by ctx, so that they are sent once.
func (w *response) put(ctx context.Context, p []byte) error {
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
	err := w.conn.writer.Write(ctx, nil, p)
	if err != nil {
		w.written -= int64(len(p))
	}
	return err
}

// begin writes the head, if that is still due, and what is kept. p is what comes next.
func (w *response) begin(p []byte) error {
	if w.headDone || w.n > 0 {
		return w.flushKept()
	}
	return w.conn.writer.Write(w.conn.io, w.appendHead(w.conn.sink.Begin(), p, false), nil)
}

// flush is for streamWriter.
func (w *response) flush(ctx context.Context) error {
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
	return w.conn.nc.Out.Flush(ctx)
}

// cork is for streamWriter.
func (w *response) cork() (uncork func()) { return w.conn.nc.Out.Cork() }

// abort is for streamWriter.
func (w *response) abort(cause error) { w.conn.nc.Abort(cause) }

// beforeFinish is for streamWriter.
func (w *response) beforeFinish(f func()) { w.closers = append(w.closers, f) }

// closeStreams calls the functions given to beforeFinish.
func (w *response) closeStreams() {
	for _, f := range w.closers {
		f()
	}
	w.closers = nil
}
