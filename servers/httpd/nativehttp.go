package httpd

import (
	"context"
	"net/http"
)

// nativeOver is the handler of a native server for protocols other than HTTP/1, and behind Config.Continue. Its Exchange
// wraps an http.Request and an http.ResponseWriter of this package.
type nativeOver struct {
	f func(ctx context.Context, x Exchange) error
}

func (h nativeOver) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(r.Context(), w, r) }

func (h nativeOver) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	both := &struct {
		exchange
		over exchangeOver
	}{over: exchangeOver{w: w.(streamWriter), r: r}}
	e := &both.exchange
	e.over = &both.over
	defer e.generation.Add(1)
	e.generation.Store(1)
	err := h.f(ctx, Exchange{e, 1})
	switch {
	case err == nil:
	case both.over.w.begun():
		logf(r, "httpd: %s %q: %v", r.Method, r.RequestURI, err)
		cut()
	default:
		dropBodyFields(w.Header())
		if own, ok := w.(*response); ok {
			own.plan.hasTrailers = false
		}
		failed(w, r, err)
	}
}

// exchangeOver is the state of such an Exchange.
type exchangeOver struct {
	w     streamWriter
	r     *http.Request
	sized bool // the reply has started with a length
	taken bool // HTTP was called
}

func (o *exchangeOver) read(ctx context.Context, p []byte) (int, error) {
	if body, ok := o.r.Body.(contextReader); ok {
		return body.readContext(ctx, p)
	}
	return o.r.Body.Read(p)
}

func (o *exchangeOver) begin(status int, length int64) {
	o.sized = length >= 0 && bodyAllowed(status) && o.w.declare(length)
	o.w.WriteHeader(status)
}

func (o *exchangeOver) flush(ctx context.Context) error { return o.w.flush(ctx) }
