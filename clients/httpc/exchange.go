package httpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"

	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/http2"
)

// exchange is one request on its way, with all its attempts.
type exchange struct {
	t     *Transport
	req   *http.Request // never modified
	ctx   context.Context
	trace *httptrace.ClientTrace
	call  *call // of Do, or nil

	to      target
	url     *url.URL // of the request, without the path of a socket
	proxy   *url.URL
	forward bool // a proxy passes the request on

	method     string
	host, uri  string // as they are sent
	header     http.Header
	body       io.ReadCloser // of this attempt, or nil
	framing    http1.Framing
	expects    bool
	asksCoding bool
	closes     bool     // the connection is not to be used again
	upgrade    []string // what the request asks to switch to
	protocol   string   // that an extended CONNECT may ask for instead
	extended   bool     // this attempt is one

	bodyRead bool // some of body was read
	bodyOver bool // body was closed, or its sender will close it
	retries  int  // after which it may have been acted on
	refused  int  // attempts of which nothing came, for certain
	began    bool // the response has
	warms    bool // of Warm: it is never sent
	reused   bool // the connection was there before, perhaps for another host
	acted    bool // a server may have acted on it, in any attempt
	unfit    bool // its body cannot be sent as it was announced

	sender *sender       // of the body in this attempt, or nil
	stream *http2.Stream // of this attempt over HTTP/2
}

// attemptError is why an attempt failed.
type attemptError struct {
	err   error
	sent  bool // something may have been written
	stale bool // the connection had been used before, and brought nothing this time
	spare bool // the server says that it has not acted on the request
}

func (e *attemptError) Error() string { return e.err.Error() }

// prepare makes an exchange of r.
func (t *Transport) prepare(r *http.Request) (*exchange, error) {
	x := &exchange{t: t, req: r, ctx: r.Context(), header: r.Header, method: r.Method}
	x.trace = httptrace.ContextClientTrace(x.ctx)
	x.call, _ = x.ctx.Value(callKey{}).(*call)
	if x.method == "" {
		x.method = http.MethodGet
	}
	switch {
	case t.broken != nil:
		return x, t.broken
	case r.URL == nil:
		return x, invalid("the request has no URL")
	case r.Header == nil:
		x.header = http.Header{}
	}
	if err := x.locate(); err != nil {
		return x, err
	}
	if err := x.validate(); err != nil {
		return x, err
	}
	if own := x.ownTarget; t.apart.n.Load() > 0 && t.apart.has(own()) {
		x.to = own()
	}
	x.protocol = x.wantsExtended()
	x.frame(r.Body)
	x.askCoding()
	return x, nil
}

// frame decides how the end of the body is told.
func (x *exchange) frame(body io.ReadCloser) {
	x.body = body
	switch {
	case body == nil, body == http.NoBody:
		x.framing = http1.Framing{}
		if x.method == http.MethodPost || x.method == http.MethodPut || x.method == http.MethodPatch {
			x.framing = http1.Framing{Kind: http1.Sized} // says that there is none
		}
	case x.req.ContentLength > 0 && !saysChunked(x.req.TransferEncoding):
		x.framing = http1.Framing{Kind: http1.Sized, Length: x.req.ContentLength}
	default:
		x.framing = http1.Framing{Kind: http1.Chunked}
	}
	if !x.hasBody() {
		x.expects = false
	}
}

func saysChunked(te []string) bool { return len(te) > 0 && te[0] == "chunked" }

// hasBody reports whether there is a body to be sent.
func (x *exchange) hasBody() bool { return x.body != nil && x.body != http.NoBody }

// closeBody closes the body of this attempt, unless that is somebody else's business by now.
func (x *exchange) closeBody() {
	if x.body != nil && !x.bodyOver {
		x.bodyOver = true
		_ = x.body.Close()
	}
}

// fail ends x without a response.
func (x *exchange) fail() {
	x.closeBody()
	x.tellCall()
}

// tellCall says to the call, for a RetryPolicy, whether a server may have acted on x.
func (x *exchange) tellCall() {
	switch {
	case x.call == nil:
	case x.acted:
		x.call.sent.Store(true)
	default:
		x.call.unsent.Store(true)
	}
}

// rewind gets the body ready for another attempt, and reports whether there is one.
func (x *exchange) rewind() bool {
	if !x.hasBody() || !x.bodyRead {
		return true
	}
	x.closeBody()
	if x.req.GetBody == nil {
		return false
	}
	body, err := x.req.GetBody()
	if err != nil {
		return false
	}
	x.body, x.bodyRead, x.bodyOver = body, false, false
	return true
}

// mayRepeat reports whether another attempt may be made after failure. Its rules are RFC 9110 9.2.2 and RFC 9112 9.3.1.
func (x *exchange) mayRepeat(failure *attemptError) bool {
	var late *TimeoutError
	if x.ctx.Err() != nil || x.unfit || errors.As(failure.err, &late) {
		return false
	}
	if !failure.sent || failure.spare {
		x.refused++
		return x.refused <= maxRefused && x.rewind()
	}
	if !failure.stale || x.retries > 0 || !x.isIdempotent() || !x.rewind() {
		return false
	}
	x.retries++
	return true
}

// tooLate reports whether the server has ended a connection that was idle for too long, and said so by a 408 that crossed
// with x, which can then be sent again: RFC 9110 15.5.9. resp is then over.
func (x *exchange) tooLate(resp *http.Response) bool {
	if resp.StatusCode != http.StatusRequestTimeout || !resp.Close || !x.reused || x.retries > 0 || x.ctx.Err() != nil {
		return false
	}
	if !x.isIdempotent() || !x.rewind() {
		return false
	}
	x.retries++
	_ = resp.Body.Close()
	return true
}

// maxRefused is how often a request is sent again that was certainly not acted on.
const maxRefused = 5

// isIdempotent reports whether carrying the request out twice does no harm.
func (x *exchange) isIdempotent() bool {
	switch x.method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	_, keyed := x.header["Idempotency-Key"]
	_, alsoKeyed := x.header["X-Idempotency-Key"]
	return keyed || alsoKeyed
}

// askCoding decides whether the response may be compressed.
func (x *exchange) askCoding() {
	_, codes := x.header["Accept-Encoding"]
	_, ranges := x.header["Range"]
	x.asksCoding = !x.t.cfg.KeepBodies && !codes && !ranges && x.method != http.MethodHead && x.method != http.MethodConnect
}
