package httpd

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

// serveNative is serve for a Server made by NewNative.
func (c *conn) serveNative() (goesOn bool) {
	e := &c.exchange
	e.conn = c
	status := e.begin()
	c.head.Discard(c.src) // its slices remain valid until the body is read
	if status != 0 {
		c.refuse(status, e.resp.isHead)
		e.resp.rec.refused(status, errRefused(status))
		return false
	}
	defer e.release()
	if !e.call() || c.hijacked {
		return false
	}
	e.generation.Add(1)
	if e.w == nil {
		if e.resp.body != nil {
			c.watch.end() // which started at the end of the body
		}
		return e.resp.finish()
	}
	c.endRequest(e.ctx)
	return e.w.finish()
}

// begin prepares the exchange for the request whose head has been read. It returns the status of a request that is
// refused without calling the handler, or 0.
func (e *exchange) begin() int {
	c := e.conn
	h := &c.head
	e.generation.Add(1)
	e.reading, e.w, e.r, e.ctx, c.lines, c.tail = false, nil, nil, nil, c.lines[:0], c.tail[:0]
	e.from, e.req.Trailer = c.origin(), nil
	e.resp = response{keepAlive: c.mayGoOn(), http11: h.Minor > 0}
	e.resp.output = output{conn: c, req: &e.req, via: &e.resp, length: -1, buf: &c.room, rec: c.newRecord(&e.from)}
	e.resp.rec.aboutHead(h)
	e.resp.isHead = string(h.Method()) == http.MethodHead
	e.resp.isConnect = string(h.Method()) == http.MethodConnect
	c.body.Reset(c.src, h.Framing, &c.srv.limits)
	c.forgetDeadline()
	if e.hasBody() {
		e.req = http.Request{}
		e.body.reset(c, &e.resp, &e.req, h.Expects)
		e.resp.body = &e.body
	}
	return e.precheck()
}

// forget drops the references to a finished request and its connection.
func (e *exchange) forget() {
	if e.conn == nil {
		return
	}
	e.conn, e.w, e.r, e.ctx = nil, nil, nil, nil
	e.resp, e.req = response{}, http.Request{}
	e.body.of, e.body.conn, e.body.resp, e.body.req = nil, nil, nil, nil
	e.from = origin{}
}

func (e *exchange) hasBody() bool {
	f := e.conn.head.Framing
	return f.Kind == http1.Chunked || f.Kind == http1.Sized && f.Length > 0
}

// precheck is Server.precheck without an http.Request.
func (e *exchange) precheck() int {
	h := &e.conn.head
	switch limit := e.conn.srv.cfg.MaxBody; {
	case h.Expects && expectsIn(&h.Fields).more:
		return http.StatusExpectationFailed
	case limit > 0 && h.Framing.Kind == http1.Sized && h.Framing.Length > limit:
		return http.StatusRequestEntityTooLarge
	}
	if h.Form != http1.Authority && len(e.conn.srv.cfg.AllowedHosts) > 0 && !e.conn.srv.allowsHost(string(h.Authority)) {
		return http.StatusMisdirectedRequest
	}
	if target := h.Target(); h.Form != http1.Origin || !isPlainBytes(target) {
		if urlOf(h.Form, string(target)) == nil {
			return http.StatusBadRequest
		}
	}
	return 0
}

// expectsIn is expectsOf for parsed fields.
func expectsIn(f *http1.Fields) (e expectation) {
	for i := range f.Len() {
		if f.Known(i) == http1.Expect {
			e.add(string(f.Value(i)))
		}
	}
	return e
}

// isPlainBytes is isPlainPath for a byte slice.
func isPlainBytes(target []byte) bool {
	for _, c := range target {
		switch {
		case c == '?':
			return true
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// call calls the handler. If the handler panics, call aborts the connection and returns false.
func (e *exchange) call() (ok bool) {
	c := e.conn
	defer func() {
		if ok {
			return
		}
		if v := recover(); v == nil {
			c.broke(chanio.Recovered(nil)) // runtime.Goexit
		} else {
			c.broke(c.srv.panicked(c.remote, e.described(), v))
		}
	}()
	x := Exchange{e, e.generation.Load()}
	e.resp.rec.began()
	if err := e.route(x); err != nil {
		e.fail(x, err)
	}
	return true
}

// route answers the request: with the handler, with Config.Rejected if there are too many requests, or for OPTIONS *
// itself.
func (e *exchange) route(x Exchange) error {
	s, h := e.conn.srv, &e.conn.head
	tooMany := !s.enter()
	defer s.leave()
	asksAll := h.Form == http1.Asterisk && string(h.Method()) == http.MethodOptions
	switch {
	case tooMany:
		s.cfg.Rejected.ServeHTTP(x.HTTP())
	case asksAll:
		answerOptions(x.HTTP())
	case s.cfg.Continue != nil && e.resp.body != nil && e.body.asked.waits():
		e.continueThen(x)
	default:
		return s.native(e.conn.ctx, x)
	}
	return nil
}

// continueThen calls Config.Continue before the handler, whose Exchange then wraps what Continue was passed.
func (e *exchange) continueThen(x Exchange) {
	s := e.conn.srv
	w, r := x.HTTP()
	if s.continues(e.w, r) {
		nativeOver{s.native}.serve(e.conn.ctx, w, r)
	}
}

// fail answers a request whose handler has returned err.
func (e *exchange) fail(x Exchange, err error) {
	e.reading = e.reading && e.resp.body != nil // without a body the head is still there
	begun := e.resp.wroteHeader || e.w != nil && e.w.begun()
	if begun || e.reading && e.w == nil {
		if !begun {
			e.failBehindBody(x, err)
			return
		}
		e.conn.srv.log.Error("httpd: native handler", "peer", e.conn.remote, "err", err)
		cut()
	}
	w, r := x.HTTP()
	dropBodyFields(w.Header())
	failed(w, r, err)
}

// dropBodyFields removes what describes the body of a reply that is not sent, and its trailers.
func dropBodyFields(h http.Header) {
	clearEntity(h)
	maps.DeleteFunc(h, func(name string, _ []string) bool {
		return name == "Trailer" || strings.HasPrefix(name, http.TrailerPrefix)
	})
}

// failBehindBody answers a request whose body was read. Its head is gone, so no http.Request can be created.
func (e *exchange) failBehindBody(x Exchange, err error) {
	status := http.StatusInternalServerError
	if code := statusOf(err); code != 0 {
		status = code
	}
	if status >= http.StatusInternalServerError {
		e.conn.srv.log.Error("httpd: native handler", "peer", e.conn.remote, "status", status, "err", err)
	}
	c, h := e.conn, http.Header{}
	addLines(h, "", c.lines)
	dropBodyFields(h)
	h.Set("X-Content-Type-Options", "nosniff")
	e.resp.plan, c.lines, c.tail = plan{}, c.lines[:0], c.tail[:0]
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			e.add(http1.Lookup(name), name, value)
		}
	}
	if err := x.Reply(status, typeText, []byte(http.StatusText(status)+"\n")); err != nil {
		cut()
	}
}

// described returns the request line for the log of a panic, if the head is still available.
func (e *exchange) described() (line requestLine) {
	switch {
	case e.r != nil:
		line = lineOf(e.r)
	case !e.reading:
		line = requestLine{string(e.conn.head.Method()), string(e.conn.head.Target())}
	}
	return line
}

// takeHTTP creates the http.Request and the http.ResponseWriter.
func (e *exchange) takeHTTP() {
	c := e.conn
	e.r, e.ctx = c.newRequest(e.from)
	e.w = new(response)
	*e.w = e.resp
	e.w.via, e.w.req, e.w.plan = e.w, e.r, plan{}
	e.moveFields()
	if e.r.Body == nil {
		e.r.Body = http.NoBody
		c.watch.allowed = true // no other goroutine uses the watch yet
		c.current.Store(e.ctx)
		return
	}
	body := &requestBody{of: c.serving, conn: c, resp: e.w, req: e.r}
	body.asked.expects = e.body.asked.waits()
	body.configure(c.srv.cfg.MaxBody)
	e.w.body, e.r.Body = body, body
	c.current.Store(e.ctx)
}

// moveFields moves what Set and AddTrailer have added to the header of the http.ResponseWriter.
func (e *exchange) moveFields() {
	c := e.conn
	addLines(e.w.Header(), "", c.lines)
	addLines(e.w.Header(), http.TrailerPrefix, c.tail)
	c.lines, c.tail = c.lines[:0], c.tail[:0]
}

// addLines adds the fields of lines to h, with prefix before each name.
func addLines(h http.Header, prefix string, lines []byte) {
	for line := range strings.SplitSeq(string(lines), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(prefix+name, value)
		}
	}
}

// release releases the request. It is called even if the handler did not return.
func (e *exchange) release() {
	if e.generation.Load()&1 == 1 {
		e.generation.Add(1)
	}
	if e.ctx != nil {
		e.conn.finishRequest(e.ctx)
	}
	if e.conn.hijacked {
		return
	}
	if e.r != nil {
		removeForm(e.r)
	}
	e.writer().over(e.ctx)
}

// writer returns the response that has written the reply.
func (e *exchange) writer() *response {
	if e.w != nil {
		return e.w
	}
	return &e.resp
}
