package cache

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"sync"
	"time"
)

// Middleware returns a RoundTripper that answers requests with stored responses and passes the others to next. It is an
// argument for httpc.Client.Use.
func (c *Cache) Middleware(next http.RoundTripper) http.RoundTripper {
	return &transport{c: c, next: next}
}

type transport struct {
	c    *Cache
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. It does not modify r.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	asks := asks(r.Header)
	switch {
	case isUnsafe(r.Method):
		return t.unsafe(r)
	case r.Method != "" && r.Method != http.MethodGet && r.Method != http.MethodHead,
		r.Body != nil && r.Body != http.NoBody, isConditional(r.Header), asks.has("no-store"), len(r.Header["Upgrade"]) > 0:
		return t.pass(r, asks)
	}
	l := &lookup{t: t, r: r, ctx: r.Context(), asks: asks, url: urlOf(r), epoch: t.c.now()}
	return l.answer()
}

// send passes r to next, and adds what the response of middleware that answered by itself may lack.
func (t *transport) send(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errors.New("cache: middleware returned neither a response nor an error")
	}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, nil
}

// pass sends a request that bypasses the cache.
func (t *transport) pass(r *http.Request, asks directives) (*http.Response, error) {
	if asks.has("only-if-cached") {
		closeBody(r)
		return gatewayTimeout(r), nil
	}
	return t.send(r)
}

// unsafe sends a request that may invalidate stored responses: RFC 9111 4.4.
func (t *transport) unsafe(r *http.Request) (*http.Response, error) {
	resp, err := t.send(r)
	if err != nil || resp.StatusCode < 200 || resp.StatusCode > 399 {
		return resp, err
	}
	t.c.invalidate(r.Context(), urlOf(r))
	for _, name := range []string{"Location", "Content-Location"} {
		if u, ok := sameOrigin(r, resp.Header.Get(name)); ok {
			t.c.invalidate(r.Context(), u)
		}
	}
	return resp, nil
}

// lookup is a GET or HEAD request in progress.
type lookup struct {
	t    *transport
	r    *http.Request
	ctx  context.Context
	asks directives
	url  string

	epoch uint64 // before v was loaded

	v    *variant // the variant that answers r, or nil
	body []byte   // of v
}

// answer answers with the stored response or asks the server.
func (l *lookup) answer() (*http.Response, error) {
	c := l.t.c
	if p := c.load(l.ctx, l.url); p != nil {
		l.v = p.match(l.r)
	}
	if l.v != nil {
		var whole bool
		if l.body, whole = c.body(l.ctx, l.url, l.v); !whole {
			l.v = nil
		}
	}
	now := time.Now()
	usable := l.v != nil && l.v.usable(l.asks, now)
	if isRanged(l.r) {
		if resp := l.part(usable, now); resp != nil {
			closeBody(l.r)
			return resp, nil
		}
		return l.t.pass(l.r, l.asks)
	}
	switch {
	case usable:
		closeBody(l.r)
		return l.v.response(l.r, l.body, now, hit), nil
	case l.asks.has("only-if-cached"):
		closeBody(l.r)
		return gatewayTimeout(l.r), nil
	}
	return l.ask()
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// gatewayTimeout is the response to only-if-cached if nothing usable is stored: RFC 9111 5.2.1.7.
func gatewayTimeout(r *http.Request) *http.Response {
	h := http.Header{}
	mark(h, missed)
	return &http.Response{
		Status: "504 Gateway Timeout", StatusCode: http.StatusGatewayTimeout, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: http.NoBody, Request: r,
	}
}

// ask sends the request to the server, as a validation if there is a stored response with a validator.
func (l *lookup) ask() (*http.Response, error) {
	r := l.r
	if l.v != nil && l.r.Method != http.MethodHead {
		if asking := l.v.validating(l.r); asking != nil {
			r = asking
		}
	}
	requested := time.Now()
	resp, err := l.t.send(r)
	received := time.Now()
	if l.v != nil && failed(resp, err) && l.ctx.Err() == nil && l.v.usableOnError(l.asks, received) {
		end(resp)
		return l.v.response(l.r, l.body, received, onError), nil
	}
	switch {
	case err != nil:
		return nil, err
	case l.r.Method == http.MethodHead:
		l.head(resp, requested, received)
		return resp, nil
	case resp.StatusCode == http.StatusNotModified && r != l.r:
		end(resp)
		if !l.v.isOf(resp.Header) { // it refers to another response
			l.t.c.drop(l.ctx, l.url, l.v.ID)
			l.v = nil
			return l.ask()
		}
		l.freshen(resp.Header, requested, received)
		made := l.v.response(l.r, l.body, received, validated)
		if cookies := resp.Header["Set-Cookie"]; len(cookies) > 0 {
			made.Header["Set-Cookie"] = cookies
		}
		return made, nil
	}
	return l.keep(resp, requested, received), nil
}

// failed reports whether the outcome is an error that stale-if-error covers: RFC 5861 4.
func failed(resp *http.Response, err error) bool {
	if err != nil {
		return true
	}
	switch resp.StatusCode {
	case 500, 502, 503, 504:
		return true
	}
	return false
}

// end closes a response that is not used.
func end(resp *http.Response) {
	if resp != nil {
		_ = resp.Body.Close() // without reading, which may have to wait
	}
}

// freshen updates the stored response with the header of a 304, or drops it if it may not be stored any more.
func (l *lookup) freshen(h http.Header, requested, received time.Time) {
	old, since := l.v.ID, l.v.Received
	l.v.freshen(l.r, h, requested, received)
	switch {
	case !storable(l.asks, l.v.Status, l.v.Header):
		l.t.c.drop(l.ctx, l.url, old)
	case l.v.ID != old: // it varies by other fields now
		l.t.c.drop(l.ctx, l.url, old)
		l.t.c.put(l.ctx, l.url, l.v, l.body, l.epoch)
	default:
		l.t.c.refresh(l.ctx, l.url, l.v, since, l.epoch)
	}
}

// head updates or drops the stored response according to a response to HEAD: RFC 9111 4.3.5.
func (l *lookup) head(resp *http.Response, requested, received time.Time) {
	defer mark(resp.Header, missed) // this response is not stored
	if l.v == nil || resp.StatusCode != http.StatusOK || l.v.Status != http.StatusOK {
		return
	}
	for _, name := range []string{"Etag", "Last-Modified", "Content-Length"} {
		if now := resp.Header.Get(name); now != "" && now != l.v.Header.Get(name) && !(name == "Content-Length" && l.v.Uncompressed) {
			l.t.c.drop(l.ctx, l.url, l.v.ID)
			return
		}
	}
	l.freshen(resp.Header, requested, received)
}

// keep arranges that the response is stored when its body has been read, if it may be stored.
func (l *lookup) keep(resp *http.Response, requested, received time.Time) *http.Response {
	if !storable(l.asks, resp.StatusCode, resp.Header) || resp.ContentLength > l.t.c.cfg.MaxBody {
		if l.v != nil && resp.StatusCode < 500 {
			l.t.c.drop(l.ctx, l.url, l.v.ID) // the stored response is outdated
		}
		mark(resp.Header, missed)
		return resp
	}
	v := newVariant(l.r, resp, requested, received)
	mark(resp.Header, missed)
	resp.Body = &recorder{
		ReadCloser: resp.Body, want: resp.ContentLength, max: l.t.c.cfg.MaxBody,
		done: func(body []byte) {
			v.Length, v.Sum = len(body), crc32.ChecksumIEEE(body)
			l.t.c.put(context.WithoutCancel(l.ctx), l.url, v, body, l.epoch)
		},
	}
	return resp
}

// recorder is a body that is stored when it ends.
type recorder struct {
	io.ReadCloser
	want int64 // its length, or -1
	max  int64
	done func(body []byte)

	mu    sync.Mutex // Close may run concurrently with Read
	kept  []byte
	ended bool // nothing more is kept
}

func (b *recorder) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	if !b.ended {
		b.kept = append(b.kept, p[:n]...)
	}
	whole := false
	switch {
	case b.ended:
	case int64(len(b.kept)) > b.max, err != nil && err != io.EOF:
		b.ended, b.kept = true, nil
	case err == io.EOF:
		b.ended, whole = true, true
	}
	body := b.kept
	b.mu.Unlock()
	if whole {
		b.finish(body)
	}
	return n, err
}

// Close stores the body if it has arrived as a whole although its end was not read.
func (b *recorder) Close() error {
	b.mu.Lock()
	whole := !b.ended && b.want >= 0 && int64(len(b.kept)) == b.want
	b.ended = true
	body := b.kept
	b.mu.Unlock()
	err := b.ReadCloser.Close()
	if whole {
		b.finish(body)
	}
	return err
}

func (b *recorder) finish(body []byte) {
	if b.want >= 0 && int64(len(body)) != b.want {
		return
	}
	if cap(body)-len(body) > len(body)/4 {
		body = bytes.Clone(body)
	}
	b.done(body[:len(body):len(body)])
}
