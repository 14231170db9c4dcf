package httpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// Connect opens a tunnel to target, in the form host:port, by CONNECT (RFC 9110 9.3.6) through the server at a URL such
// as http://proxy.example:3128, whose user information is sent as Proxy-Authorization. It returns the tunnel, which the
// caller must close: a connection, or an HTTP/2 stream if the server supports that. A refusal is a [*StatusError]. ctx
// bounds only the opening.
func (c *Client) Connect(ctx context.Context, server, target string) (*chanio.Conn, error) {
	if host, port, err := net.SplitHostPort(target); err != nil || host == "" || port == "" {
		return nil, invalid("the target of a tunnel is %q: want host:port", target)
	}
	resp, conn, err := c.exchangeFor(ctx, &Request{Method: http.MethodConnect, URL: server, Host: target, MaxRedirects: -1, anyStatus: true})
	if err != nil {
		return nil, err
	}
	if conn == nil {
		return nil, resp.statusError(resp.call)
	}
	return conn, nil
}

// Upgrade sends r, whose Header requests another protocol with Connection and Upgrade, and returns the response. If its
// status is 101, it has no body, and conn is the connection, which starts with the bytes that follow the response; the
// caller must close it. Otherwise conn is nil. ctx and the timeouts of the Config bound only the request.
func (c *Client) Upgrade(ctx context.Context, r *Request) (resp *Response, conn *chanio.Conn, err error) {
	return c.exchangeFor(ctx, r)
}

// exchangeFor sends r and takes the connection out of the response.
func (c *Client) exchangeFor(ctx context.Context, r *Request) (*Response, *chanio.Conn, error) {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	t, ok := resp.raw.Body.(*tunnel)
	if !ok {
		if resp.Status == http.StatusSwitchingProtocols {
			_ = resp.Close()
			return nil, nil, errors.New("httpc: middleware has changed the body of a response that switches protocols")
		}
		return resp, nil, nil
	}
	resp.call.end()
	resp.Body = chanio.FromSlice[[]byte](nil)
	return resp, t.conn(), nil
}

// Warm opens connections in advance, so that n are ready for requests to a URL, or fewer if the limits permit no more.
// It counts idle connections, does not wait for those in use, and returns when the connections are ready. The error is
// the first failure.
func (c *Client) Warm(ctx context.Context, url string, n int) error {
	t := c.t
	n = max(n, 0)
	t.pool.warms(1)
	defer t.pool.warms(-1)
	all, err := t.warmers(ctx, url, n)
	if err != nil {
		return fmt.Errorf("httpc: warming up: %w", err)
	}
	errs := make([]error, n)
	got := make([]carrier, n)
	var wg sync.WaitGroup
	for i, x := range all {
		wg.Go(func() {
			var err error
			if got[i], err = t.pool.get(x); !errors.Is(err, errFull) && !errors.Is(err, ErrBusy) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	for _, c := range got {
		switch c := c.(type) {
		case *conn:
			t.pool.put(c)
		case *mux:
			c.giveBack()
		}
	}
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("httpc: warming up: %w", err)
		}
	}
	return nil
}

// warmers returns n exchanges that are never sent. It calls Config.Proxy, in the caller's goroutine.
func (t *Transport) warmers(ctx context.Context, url string, n int) ([]*exchange, error) {
	all := make([]*exchange, n)
	for i := range all {
		hr, err := (&Request{URL: url}).build(ctx, &t.cfg)
		if err != nil {
			return nil, err
		}
		if all[i], err = t.prepare(hr); err != nil {
			return nil, err
		}
		all[i].warms = true
	}
	return all, nil
}
