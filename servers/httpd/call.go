package httpd

import (
	"net/http"

	"github.com/weir-go/weir/chanio"
)

// call calls the handler. It returns false if that panicked, having cut the connection.
func (c *conn) call() (ok bool) {
	defer func() {
		if ok {
			return
		}
		switch v := recover(); {
		case v == nil: // runtime.Goexit, which the listener takes care of
			c.note(chanio.Recovered(nil))
		case c.taker != nil:
			c.panicked(*c.taker, v)
		default:
			c.panicked(lineOf(c.asked), v)
		}
	}()
	c.reply.rec.began()
	c.route(c.reply.body != nil && c.reply.body.asked.waits(), c.asked).ServeHTTP(c.reply, c.asked)
	return true
}

// route returns who answers r. expects says that its client waits for 100 Continue.
func (c *conn) route(expects bool, r *http.Request) http.Handler {
	s := c.srv
	switch {
	case !s.enter():
		return counted{s, s.cfg.Rejected}
	case r.RequestURI == "*" && r.Method == http.MethodOptions:
		return counted{s, http.HandlerFunc(answerOptions)}
	case s.cfg.Continue != nil && expects:
		return counted{s, http.HandlerFunc(s.continueThen)}
	}
	return s.counted
}

// enter counts a request, and reports whether there are not more than Config.MaxConcurrent. Without that limit nothing is
// counted: processors would take turns at the counter.
func (s *Server) enter() bool {
	return s.cfg.MaxConcurrent <= 0 || s.running.Add(1) <= int64(s.cfg.MaxConcurrent)
}

// leave counts a request as over that enter has counted.
func (s *Server) leave() {
	if s.cfg.MaxConcurrent > 0 {
		s.running.Add(-1)
	}
}

// counted counts a request as over when its handler has returned.
type counted struct {
	srv     *Server
	handler http.Handler
}

func (h counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer h.srv.leave()
	h.handler.ServeHTTP(w, r)
}

// answerOptions answers for the server as a whole, as net/http does.
func answerOptions(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") }

// continueThen asks Config.Continue before the handler.
func (s *Server) continueThen(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Continue(w, r) {
		s.handler.ServeHTTP(w, r)
		return
	}
	if !w.(interface{ begun() bool }).begun() {
		w.WriteHeader(http.StatusExpectationFailed)
	}
}

// panicked ends the connection of a handler that panicked.
func (c *conn) panicked(line requestLine, v any) {
	failure := c.srv.panicked(c.remote, line, v)
	c.note(failure)
	if !c.hijacked {
		c.nc.Abort(failure)
	}
}

// panicked logs that a handler panicked.
func (s *Server) panicked(remote string, line requestLine, v any) *chanio.PanicError {
	failure := chanio.Recovered(v)
	if v != http.ErrAbortHandler {
		s.log.Error("httpd: panic in a handler", "remote", remote, "method", line.method, "target", line.target,
			"panic", failure.Error(), "stack", string(failure.Stack))
	}
	return failure
}
