package httpc

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/guard"
	"github.com/weir-go/weir/internal/jarctx"
)

// call is a call of Do. It is also the context of its requests, through which the transport finds it.
type call struct {
	context.Context
	c *Client
	r *Request

	history []Hop
	timing  *timing
	unsent  atomic.Bool          // this attempt has failed before anything was sent
	sent    atomic.Bool          // a server may have acted on this attempt
	failed  atomic.Bool          // the transport has failed in this attempt
	cancel  []context.CancelFunc // of the timeouts
	timers  []*time.Timer        // of the timeouts that do not bound the body

	mu       sync.Mutex // guards the fields below: middleware may send a request several times at once
	informed []Informational
	coding   []string // that the transport has undone
}

// withoutCall hides the call in ctx from an Auth: a request that it makes with ctx, such as that for a token, is no
// attempt of the call, and does not follow its Route.
func withoutCall(ctx context.Context) context.Context {
	return context.WithValue(ctx, callKey{}, (*call)(nil))
}

// inform records an informational response.
func (x *call) inform(status int, header http.Header) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.informed = append(x.informed, Informational{Status: status, Header: header})
}

// undid records a coding that the transport has undone, or nil.
func (x *call) undid(coding []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.coding = coding
}

type callKey struct{}

// Value returns the call itself for its own key.
func (x *call) Value(key any) any {
	if key == (callKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// end releases the timeouts of the call.
func (x *call) end() {
	for _, f := range x.cancel {
		f()
	}
}

// Do sends r, follows redirects, and returns the response when its head has arrived. The response always has a body,
// which the caller must read to its end or close; only then can the connection be reused.
//
// ctx bounds the whole request, including the body of the response. An error means that there is no response. A status
// of 400 or above is not an error unless StatusErrors is set. Network errors wrap a [*net.OpError] where there is one;
// timeouts are net.Errors; a request that cannot be sent as given fails before the first byte.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	x := &call{Context: ctx, c: c, r: r}
	x.within(cmp.Or(r.Timeout, c.t.cfg.Timeout), PhaseTotal)
	if r.Timing {
		x.trace()
	}
	hr, err := r.build(x, &c.t.cfg)
	if err != nil {
		r.Body.discard(x)
		x.end()
		return nil, err
	}
	last, resp, err := x.follow(hr)
	if err != nil {
		x.end()
		return nil, x.explain(last, err)
	}
	return x.respond(resp)
}

// within bounds the call by d, if d is positive.
func (x *call) within(d time.Duration, phase Phase) {
	if d > 0 {
		ctx, cancel := x.bound(x.Context, d, phase)
		x.Context, x.cancel = ctx, append(x.cancel, cancel)
	}
}

// unbind stops the timeouts that do not bound the body.
func (x *call) unbind() {
	for _, timer := range x.timers {
		timer.Stop()
	}
}

// bound bounds ctx by d, until the end of the body or, with headOnly, until unbind.
func (x *call) bound(ctx context.Context, d time.Duration, phase Phase) (context.Context, context.CancelFunc) {
	if !x.r.headOnly {
		return bound(ctx, d, phase)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(d, func() { cancel(&TimeoutError{Phase: phase, After: d}) })
	x.timers = append(x.timers, timer)
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// explain adds the method and the URL to an error, without secrets.
func (x *call) explain(hr *http.Request, err error) error {
	return &url.Error{Op: hr.Method, URL: redactedURL(hr.URL), Err: err}
}

// follow sends hr and follows redirects. It also returns the last request.
func (x *call) follow(hr *http.Request) (*http.Request, *http.Response, error) {
	hops := redirects{cfg: &x.c.t.cfg, max: cmp.Or(x.r.MaxRedirects, x.c.t.cfg.MaxRedirects)}
	for {
		resp, err := x.attempts(hr, hops.crossed)
		if err != nil {
			return hr, nil, err
		}
		next, err := hops.next(hr, resp)
		if err != nil || next == nil {
			if err != nil {
				_ = resp.Body.Close()
			}
			return hr, resp, err
		}
		x.history = append(x.history, Hop{Status: resp.StatusCode, URL: hr.URL, Header: resp.Header})
		drain(resp.Body)
		hr = next
	}
}

// drain reads up to 2 KiB of an unwanted body within drainTime, and closes it.
func drain(body io.ReadCloser) {
	closed := make(chan struct{})
	timer := time.AfterFunc(drainTime, func() {
		defer close(closed)
		_ = guard.Call(func() { _ = body.Close() }) // ends the Read in progress
	})
	_, _ = io.CopyN(io.Discard, body, 2<<10)
	if !timer.Stop() {
		<-closed
	}
	_ = body.Close()
}

// once makes one attempt of hr, with cookies and credentials.
func (x *call) once(hr *http.Request, crossed bool) (*http.Response, error) {
	auth := x.auth(hr, crossed)
	resp, err := x.send(hr, auth, crossed)
	if err != nil || auth == nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	challenged, ok := auth.(Challenged)
	if !ok {
		return resp, nil
	}
	again, err := challenged.Challenge(hr.WithContext(withoutCall(hr.Context())), resp)
	if err != nil || !again {
		if err != nil {
			_ = resp.Body.Close()
			return nil, err
		}
		return resp, nil
	}
	next, ok := replay(hr)
	if !ok {
		return resp, nil
	}
	drain(resp.Body)
	return x.send(next, auth, crossed)
}

// auth returns the Auth of the call, or nil if hr has credentials or a redirect has led to another origin.
func (x *call) auth(hr *http.Request, crossed bool) Auth {
	switch {
	case crossed, hr.Header["Authorization"] != nil:
		return nil
	case x.r.Auth != nil:
		return x.r.Auth
	}
	return x.c.t.cfg.Auth
}

// send sends a copy of hr with cookies and credentials, and stores the cookies of the response.
func (x *call) send(hr *http.Request, auth Auth, crossed bool) (*http.Response, error) {
	jar := x.c.t.cfg.Jar
	if auth != nil || jar != nil || len(x.r.Cookies) > 0 {
		ctx := hr.Context()
		if jar != nil {
			ctx = jarctx.With(ctx)
		}
		hr = hr.WithContext(ctx)
		hr.Header = hr.Header.Clone()
		if err := x.addCookies(hr, jar, crossed); err != nil {
			closeBody(hr)
			return nil, err
		}
		if auth != nil {
			shown := hr.WithContext(withoutCall(ctx))
			if err := auth.Authorize(shown); err != nil {
				closeBody(hr)
				return nil, err
			}
			hr = shown.WithContext(ctx)
		}
	}
	x.undid(nil)
	resp, err := roundTrip(x.c.rt, hr)
	if err != nil {
		return nil, err
	}
	if jar != nil {
		keepCookies(jar, hr, resp)
	}
	return resp, nil
}

// roundTrip sends r through rt, and adds what the response of middleware that answered without next may lack.
func roundTrip(rt http.RoundTripper, r *http.Request) (*http.Response, error) {
	resp, err := rt.RoundTrip(r)
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errors.New("httpc: middleware returned neither a response nor an error")
	}
	if resp.Request == nil {
		resp.Request = r
	}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// replay returns r with a new body, and reports whether that is possible.
func replay(r *http.Request) (*http.Request, bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, false
	}
	again := r.WithContext(r.Context())
	again.Body = body
	return again, true
}

// respond converts resp to a Response.
func (x *call) respond(resp *http.Response) (*Response, error) {
	x.mu.Lock()
	informed, coding := x.informed, x.coding
	x.mu.Unlock()
	r := &Response{
		Status: resp.StatusCode, Proto: resp.Proto, Header: resp.Header, ContentLength: resp.ContentLength, TLS: resp.TLS,
		Informational: informed, History: x.history, call: x, raw: resp, limit: x.c.t.cfg.MaxBody,
	}
	r.ContentEncoding = resp.Header["Content-Encoding"]
	if coding != nil {
		r.ContentEncoding = coding
	}
	r.URL = resp.Request.URL
	r.Body = bodySource(x, resp)
	if (x.r.StatusErrors || x.c.t.cfg.StatusErrors) && !x.r.anyStatus && resp.StatusCode >= 400 {
		return nil, x.explain(resp.Request, r.statusError(x))
	}
	return r, nil
}

// bodySource returns the body as a Source.
func bodySource(x *call, resp *http.Response) *chanio.Source[[]byte] {
	in := resp.Body // which HTTP replaces
	closed := func() error {
		err := in.Close()
		x.end()
		return err
	}
	if b, ok := in.(*body); ok {
		return chanio.NewSource(chanio.SourceHooks[[]byte]{
			Next: func(ctx context.Context) ([]byte, error) {
				p, err := b.next(ctx)
				if err != nil && !chanio.Resumable(ctx, err) {
					x.end()
				}
				return p, err
			},
			Close: closed,
		})
	}
	_, timed := in.(interface{ SetReadDeadline(time.Time) error })
	if _, whole := in.(*bytesBody); whole || timed || in == http.NoBody {
		return chanio.FromReader(in, closed)
	}
	return asideSource(in, closed, x.c.t.cfg.HeldTimeout)
}
