package httpd

import (
	"net/http"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// call calls the handler. If the handler panics, call aborts the connection and returns false.
func (c *conn) call() (ok bool) {
	defer func() {
		if ok {
			return
		}
		switch v := recover(); {
		case v == nil: // runtime.Goexit
			c.broke(chanio.Recovered(nil))
		case c.taken != nil:
			c.broke(c.srv.panicked(c.remote, c.taken.line, v))
		default:
			c.broke(c.srv.panicked(c.remote, lineOf(c.asked), v))
		}
	}()
	c.reply.rec.began()
	c.route(c.reply.body != nil && c.reply.body.asked.waits(), c.asked).ServeHTTP(c.reply, c.asked)
	return true
}

// route returns the handler for r. expects reports whether the client waits for 100 Continue.
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

// enter counts a request, and reports whether it is within Config.MaxConcurrent. Without that limit nothing is counted,
// which avoids contention on the counter.
func (s *Server) enter() bool {
	return s.cfg.MaxConcurrent <= 0 || s.running.Add(1) <= int64(s.cfg.MaxConcurrent)
}

// leave undoes enter.
func (s *Server) leave() {
	if s.cfg.MaxConcurrent > 0 {
		s.running.Add(-1)
	}
}

// counted is a handler that calls leave when the one below has returned.
type counted struct {
	srv     *Server
	handler http.Handler
}

func (h counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer h.srv.leave()
	h.handler.ServeHTTP(w, r)
}

// answerOptions answers OPTIONS * as net/http does.
func answerOptions(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") }

// continueThen calls Config.Continue before the handler.
func (s *Server) continueThen(w http.ResponseWriter, r *http.Request) {
	if s.continues(w.(streamWriter), r) {
		s.handler.ServeHTTP(w, r)
	}
}

// continues calls Config.Continue. If that refuses the request without a reply, it is answered 417.
func (s *Server) continues(w streamWriter, r *http.Request) bool {
	if s.cfg.Continue(w, r) {
		return true
	}
	if !w.begun() {
		w.WriteHeader(http.StatusExpectationFailed)
	}
	return false
}

// broke ends the connection of a handler that did not return.
func (c *conn) broke(failure *chanio.PanicError) {
	c.note(failure)
	if !c.hijacked {
		c.abort(failure)
	}
}

// abort ends the connection at once. Replies to earlier requests may be held back, because more requests are at hand.
// They are passed to the kernel first, as far as it takes them without a wait.
func (c *conn) abort(cause error) {
	_ = c.nc.Out.Flush(deadline.Past)
	c.nc.Abort(cause)
}

// panicked logs the panic of a handler.
func (s *Server) panicked(remote string, line requestLine, v any) *chanio.PanicError {
	failure := chanio.Recovered(v)
	if v != http.ErrAbortHandler {
		s.log.Error("httpd: panic in a handler", "peer", remote, "method", line.method, "target", line.target,
			"panic", failure.Error(), "stack", string(failure.Stack))
	}
	return failure
}
