package httpc

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/http2"
)

// exchange is a request with all its attempts.
type exchange struct {
	t     *Transport
	req   *http.Request // never modified
	ctx   context.Context
	trace *httptrace.ClientTrace
	call  *call // of Do, or nil

	to      target
	url     *url.URL // of the request, without the path of a socket
	proxy   *url.URL
	forward bool // an HTTP proxy forwards the request

	method     string
	host, uri  string // as sent
	header     http.Header
	body       io.ReadCloser // of this attempt, or nil
	framing    http1.Framing
	expects    bool
	asksCoding bool
	closes     bool     // the connection must not be reused
	upgrade    []string // protocols in the Upgrade field
	protocol   string   // requested by extended CONNECT instead
	extended   bool     // this attempt is an extended CONNECT

	bodyRead bool // reading of body has started
	bodyOver bool // body has been closed, or its sender closes it
	attempts int  // so far
	retries  int  // attempts repeated although the server may have acted on them
	refused  int  // attempts on which the server certainly did not act
	began    bool // the first byte of the response has arrived
	warms    bool // it is made by Warm and never sent
	reused   bool // the connection existed before, perhaps for another host
	acted    bool // a server may have acted on any of its attempts
	unfit    bool // its body does not match its length, or fails

	waited time.Duration // for connections, in all attempts, if there is a PoolTimeout

	sender *sender       // of the body in this attempt, or nil
	stream *http2.Stream // of this attempt over HTTP/2
}

// attemptError is the error of an attempt.
type attemptError struct {
	err   error
	sent  bool // something may have been written
	stale bool // the connection was reused, and no byte of a response arrived
	spare bool // the server reports that it did not act on the request
}

func (e *attemptError) Error() string { return e.err.Error() }

// prepare returns an exchange for r.
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

// needsLength reports whether a request without a body has "Content-Length: 0" (RFC 9110 8.6).
func needsLength(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// frame chooses the framing of the body.
func (x *exchange) frame(body io.ReadCloser) {
	x.body = body
	switch {
	case body == nil, body == http.NoBody:
		x.framing = http1.Framing{}
		if needsLength(x.method) {
			x.framing = http1.Framing{Kind: http1.Sized} // Content-Length: 0
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

// hasBody reports whether there is a body to send.
func (x *exchange) hasBody() bool { return x.body != nil && x.body != http.NoBody }

// closeBody closes the body of this attempt, unless its sender does.
func (x *exchange) closeBody() {
	if x.body != nil && !x.bodyOver {
		x.bodyOver = true
		_ = x.body.Close()
	}
}

// wrote tells the trace that the request has been written, or why not.
func (x *exchange) wrote(err error) {
	if x.trace != nil && x.trace.WroteRequest != nil {
		x.trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
}

// fail ends x without a response, and returns its error.
func (x *exchange) fail(err error) error {
	x.closeBody()
	x.tellCall()
	if x.call != nil && !x.unfit {
		x.call.failed.Store(true)
	}
	return after(x.attempts, err)
}

// tellCall records in the call, for a RetryPolicy, whether a server may have acted on x.
func (x *exchange) tellCall() {
	switch {
	case x.call == nil:
	case x.acted:
		x.call.sent.Store(true)
		x.call.failed.Store(false) // unless fail follows
	default:
		x.call.unsent.Store(true)
	}
}

// rewind prepares the body for another attempt, and reports whether that is possible.
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

// mayRepeat reports whether another attempt may follow failure (RFC 9110 9.2.2, RFC 9112 9.3.1).
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

// pause waits before the next attempt if servers refuse x again and again. The first refusal may be a race with the end
// of a connection.
func (x *exchange) pause(failure *attemptError) error {
	if !failure.spare || x.refused < 2 {
		return nil
	}
	policy := x.t.cfg.Retry
	if x.call != nil {
		policy = x.call.policy()
	}
	return sleep(x.ctx, cmp.Or(policy, new(RetryPolicy)).backoff(x.refused-1))
}

// tooLate reports whether resp is the 408 of a server that closes an idle connection, sent before it received x, and
// whether x may be sent again (RFC 9110 15.5.9). If so, it closes resp.
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

// maxRefused limits how often a request is repeated on which no server has acted.
const maxRefused = 5

// isIdempotent reports whether the request may be executed twice, by RFC 9110 9.2.2 or its Idempotency-Key.
func (x *exchange) isIdempotent() bool {
	switch x.method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	_, keyed := x.header["Idempotency-Key"]
	_, alsoKeyed := x.header["X-Idempotency-Key"]
	return keyed || alsoKeyed
}

// askCoding decides whether to request compression.
func (x *exchange) askCoding() {
	_, codes := x.header["Accept-Encoding"]
	_, ranges := x.header["Range"]
	x.asksCoding = !x.t.cfg.KeepBodies && !codes && !ranges && x.method != http.MethodHead && x.method != http.MethodConnect
}
