package httpc

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/internal/jarctx"
)

// Client sends requests. It is also an [http.RoundTripper]. Its methods are safe for concurrent use, except Use,
// OnResponse and Dump, which must be called before the first request.
//
// A Client keeps connections for reuse, so one Client should serve a whole program. It has a goroutine for each dial in
// progress and for each HTTP/2 connection.
type Client struct {
	t  *Transport
	rt http.RoundTripper // t with the middleware of Use
}

// New returns a Client. cfg may be nil. If cfg is contradictory, every request fails with an error that says so. A
// Client may be used for the life of the program; otherwise the caller must close it.
func New(cfg *Config) *Client {
	t := newTransport(cfg)
	return &Client{t: t, rt: t}
}

// Use adds middleware around each single request, for example to add a field, to count, or to answer locally. The
// middleware added last is called first. It is called for each hop of a redirect and each attempt of a retry.
func (c *Client) Use(middleware func(next http.RoundTripper) http.RoundTripper) {
	c.rt = middleware(c.rt)
}

// OnResponse registers f to be called with each response before it is returned. If f fails, the request fails with its
// error, and the response is closed.
func (c *Client) OnResponse(f func(*http.Response) error) {
	c.Use(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := roundTrip(next, r)
			if err != nil {
				return nil, err
			}
			if err := f(resp); err != nil {
				_ = resp.Body.Close()
				return nil, err
			}
			return resp, nil
		})
	})
}

// roundTripper adapts a function to http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// RoundTrip implements http.RoundTripper: it sends one request through the middleware of Use, without redirects,
// cookies, authentication and retries. See [Transport.RoundTrip].
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.t.cfg.Jar != nil { // the http.Client of HTTP gives it the cookies
		r = r.WithContext(jarctx.With(r.Context()))
	}
	return c.rt.RoundTrip(r)
}

// HTTP returns an http.Client over c, for libraries that need one. Its redirects follow the rules of c, except that
// net/http changes every method but HEAD to GET after a 301 or 302, where c changes only POST. It uses the cookies of c,
// except those that net/http rejects, such as ones with a JSON value. Libraries that require an *http.Transport cannot
// use it.
func (c *Client) HTTP() *http.Client {
	return &http.Client{
		Transport: c, CheckRedirect: c.CheckRedirect, Jar: c.t.cfg.Jar, Timeout: max(c.t.cfg.Timeout, 0),
	}
}

// CloseIdleConnections closes the idle connections.
func (c *Client) CloseIdleConnections() { c.t.CloseIdleConnections() }

// Stats returns a snapshot of the pool: one entry for each target, sorted by name.
func (c *Client) Stats() []HostStats { return c.t.pool.stats() }

// Close rejects further requests with [ErrClosed] and closes all connections, including those with a response in
// progress. It waits for the goroutines that dial. It is idempotent. Tunnels and upgraded connections belong to their
// owners; those that are HTTP/2 streams end with their connection.
func (c *Client) Close() error {
	c.t.pool.close(true)
	return nil
}

// Shutdown rejects further requests, closes idle connections, and waits until the responses in progress have been read
// or closed. If ctx ends first, it acts as Close and returns the cause.
func (c *Client) Shutdown(ctx context.Context) error {
	c.t.pool.close(false)
	select {
	case <-c.t.pool.emptied():
		return nil
	case <-ctx.Done():
		c.t.pool.close(true)
		return chanio.Cause(ctx)
	}
}

// Go runs Do in a goroutine and returns its result as a Future. Failing the Future cancels the request; a response that
// arrives after that is closed.
func (c *Client) Go(ctx context.Context, r *Request) *future.Future[*Response] {
	f := new(future.Future[*Response])
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { // ends when Do returns
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.deliver(ctx, cancel, r, f)
		}()
		select {
		case <-f.Done():
			if err := f.Err(); err != nil {
				cancel(err)
			}
			<-done
		case <-done:
		}
	}()
	return f
}

// deliver completes f with the result of Do. It calls cancel, which ends ctx, at the end of the body or after a failure.
func (c *Client) deliver(ctx context.Context, cancel context.CancelCauseFunc, r *Request, f *future.Future[*Response]) {
	returned := false
	defer func() {
		if !returned {
			cancel(nil)
			f.Fail(chanio.Recovered(recover()))
		}
	}()
	resp, err := c.Do(ctx, r)
	returned = true
	if err != nil {
		cancel(nil)
		f.Fail(err)
		return
	}
	resp.call.cancel = append(resp.call.cancel, func() { cancel(nil) })
	if !f.Complete(resp) {
		_ = resp.Close()
	}
}

// Get is Do with only a method and a URL. Like Do it returns when it has the head of the response. Head, Post and so on
// do the same for their methods, with a body where the method has one.
func (c *Client) Get(ctx context.Context, url string) (*Response, error) {
	return c.Do(ctx, &Request{URL: url})
}

// Head is like Get.
func (c *Client) Head(ctx context.Context, url string) (*Response, error) {
	return c.Do(ctx, &Request{Method: http.MethodHead, URL: url})
}

// Options is like Get.
func (c *Client) Options(ctx context.Context, url string) (*Response, error) {
	return c.Do(ctx, &Request{Method: http.MethodOptions, URL: url})
}

// Trace is like Get.
func (c *Client) Trace(ctx context.Context, url string) (*Response, error) {
	return c.Do(ctx, &Request{Method: http.MethodTrace, URL: url})
}

// Delete is like Get.
func (c *Client) Delete(ctx context.Context, url string) (*Response, error) {
	return c.Do(ctx, &Request{Method: http.MethodDelete, URL: url})
}

// Post is like Get, with a body.
func (c *Client) Post(ctx context.Context, url string, body Body) (*Response, error) {
	return c.Do(ctx, &Request{Method: http.MethodPost, URL: url, Body: body})
}

// Put is like Post.
func (c *Client) Put(ctx context.Context, url string, body Body) (*Response, error) {
	return c.Do(ctx, &Request{Method: http.MethodPut, URL: url, Body: body})
}

// Patch is like Post.
func (c *Client) Patch(ctx context.Context, url string, body Body) (*Response, error) {
	return c.Do(ctx, &Request{Method: http.MethodPatch, URL: url, Body: body})
}

// The Client of the package's functions.
var (
	defaultMu     sync.Mutex
	defaultClient *Client
)

// Default returns the Client of Get, Post and Do of this package. It is created on first use, and again after
// CloseDefault.
func Default() *Client {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	if defaultClient == nil {
		defaultClient = New(nil)
	}
	return defaultClient
}

// CloseDefault closes the [Default] client, if it has been created.
func CloseDefault() error {
	defaultMu.Lock()
	c := defaultClient
	defaultClient = nil
	defaultMu.Unlock()
	if c == nil {
		return nil
	}
	return c.Close()
}

// Get sends a GET request with the [Default] client.
func Get(ctx context.Context, url string) (*Response, error) { return Default().Get(ctx, url) }

// Post sends a POST request with the [Default] client.
func Post(ctx context.Context, url string, body Body) (*Response, error) {
	return Default().Post(ctx, url, body)
}

// Do sends r with the [Default] client.
func Do(ctx context.Context, r *Request) (*Response, error) { return Default().Do(ctx, r) }

// bound bounds ctx by d, if d is positive. Its cause is a TimeoutError for the phase.
func bound(ctx context.Context, d time.Duration, phase Phase) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, &TimeoutError{Phase: phase, After: d})
}
