package httpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// countingCtx counts what waits for its end.
type countingCtx struct {
	context.Context
	n *atomic.Int64
}

// Value hides the type of the Context, so that AfterFunc is used.
func (countingCtx) Value(any) any { return nil }

func (x countingCtx) AfterFunc(f func()) func() bool {
	x.n.Add(1)
	stop, once := context.AfterFunc(x.Context, f), new(sync.Once)
	return func() bool {
		once.Do(func() { x.n.Add(-1) })
		return stop()
	}
}

// TestRequestsLeaveNothingOnTheirContext sends requests with a ctx that outlives them, as that of a server does.
func TestRequestsLeaveNothingOnTheirContext(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, long(len(r.URL.Path)<<10)) })
	c := newClient(t, &Config{Timeout: testPatience, AttemptTimeout: testPatience, PoolTimeout: testPatience})
	for name, send := range map[string]func(ctx context.Context, url string) (*Response, error){
		"Get": c.Get,
		"Go": func(ctx context.Context, url string) (*Response, error) {
			return c.Go(ctx, &Request{URL: url}).Await(t.Context())
		},
	} {
		for _, path := range []string{"/", "/" + strings.Repeat("x", 99)} {
			ctx, cancel := context.WithCancel(t.Context())
			counting := countingCtx{ctx, new(atomic.Int64)}
			for range 10 {
				resp, err := send(counting, base+path)
				require.NoError(t, err)
				_, err = resp.Bytes(t.Context())
				require.NoError(t, err)
				resp, err = send(counting, base+path)
				require.NoError(t, err)
				require.NoError(t, resp.Close())
				for _, read := range []int64{1, 1 << 20} {
					resp, err = send(counting, base+path)
					require.NoError(t, err)
					_, _ = io.CopyN(io.Discard, resp.HTTP().Body, read)
					if read == 1 {
						require.NoError(t, resp.HTTP().Body.Close())
					}
				}
				_, err = send(counting, "ftp://a")
				require.Error(t, err)
			}
			require.Eventually(t, func() bool { return counting.n.Load() == 0 }, testPatience, 1e6, "%s %s: %d", name, path, counting.n.Load())
			cancel()
		}
	}
}

// TestEndedConnectionsLeaveNothingOnTheContextOfTheirRequests ends connections in several ways.
func TestEndedConnectionsLeaveNothingOnTheContextOfTheirRequests(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/closes":
			w.Header().Set("Connection", "close")
		case "/panics":
			panic(http.ErrAbortHandler)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, long(100<<10))
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	counting := countingCtx{ctx, new(atomic.Int64)}
	c := newClient(t, nil)
	for _, path := range []string{"/", "/closes", "/panics"} {
		for _, read := range []int64{0, 10, 1 << 20} {
			for range 5 {
				r := newRequest(t, "POST", base+path, readerOf("some")).WithContext(counting)
				if resp, err := c.RoundTrip(r); err == nil {
					_, err = io.CopyN(io.Discard, resp.Body, read)
					require.True(t, err == nil || err == io.EOF, err)
					require.NoError(t, resp.Body.Close())
				}
			}
		}
	}
	c.CloseIdleConnections()
	require.Eventually(t, func() bool { return counting.n.Load() == 0 }, testPatience, 1e6)
}

// TestMiddlewareMayHedge sends each request twice at the same time, and returns the first response.
func TestMiddlewareMayHedge(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(gzipped("hello"))
	})
	c := newClient(t, nil)
	var late sync.WaitGroup
	c.Use(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			type result struct {
				resp *http.Response
				err  error
			}
			results := make(chan result, 2)
			for range 2 {
				go func() {
					resp, err := next.RoundTrip(r.Clone(r.Context()))
					results <- result{resp, err}
				}()
			}
			first := <-results
			late.Go(func() {
				if second := <-results; second.err == nil {
					_ = second.resp.Body.Close()
				}
			})
			return first.resp, first.err
		})
	})
	for range 20 {
		resp, err := c.Get(t.Context(), base)
		require.NoError(t, err)
		require.Equal(t, []string{"gzip"}, resp.ContentEncoding)
		body, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", body)
	}
	late.Wait()
}

// TestTokensRequestIsNoPartOfTheCall requests a token with the ctx of a POST that has a Route of its own, and whose first
// dial fails. The request for the token does not follow the Route, and does not look like a POST that has been sent.
func TestTokensRequestIsNoPartOfTheCall(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.WriteHeader(http.StatusEarlyHints)
		}
		echo(w, r)
	})
	var dials atomic.Int64
	c := newClient(t, &Config{
		Proxy: Direct, Retry: &RetryPolicy{Tries: 2, First: -1},
		Dial: func(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
			if strings.HasPrefix(addr, "main.") && dials.Add(1)%2 == 1 {
				return nil, errors.New("refused")
			}
			return dialLoopback(ctx, addr, conn)
		},
	})
	post := func(ctx context.Context) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, "POST", base+"/token", strings.NewReader("secret"))
		require.NoError(t, err)
		return c.HTTP().Do(r)
	}
	for name, post := range map[string]func(ctx context.Context) (*http.Response, error){
		"HTTP": post,
		"Post": func(ctx context.Context) (*http.Response, error) {
			resp, err := c.Post(ctx, base+"/token", Text("secret"))
			if err != nil {
				return nil, err
			}
			return resp.HTTP(), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var routed []string
			route := &Route{Proxy: func(r *http.Request) (*url.URL, error) {
				routed = append(routed, r.URL.Path)
				return nil, nil
			}}
			auth := TokenSource(func(ctx context.Context) (string, error) {
				resp, err := post(ctx)
				if err != nil {
					return "", err
				}
				defer func() { _ = resp.Body.Close() }()
				token, err := io.ReadAll(resp.Body)
				return string(token), err
			})
			resp, err := c.Do(t.Context(), &Request{
				URL: strings.Replace(base, "127.0.0.1", "main.example", 1) + "/first", Body: Text("x"), Route: route, Auth: auth,
			})
			require.NoError(t, err)
			require.NoError(t, resp.Close())
			require.Empty(t, resp.Informational)
			require.Equal(t, []string{"/first", "/first"}, routed)
		})
	}
}

// TestResponseIsClosedBesideHTTP reads a response as one of net/http while another goroutine closes it.
func TestResponseIsClosedBesideHTTP(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long(100<<10)) })
	c := newClient(t, &Config{Timeout: testPatience})
	for range 10 {
		resp, err := c.Get(t.Context(), base)
		require.NoError(t, err)
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(io.Discard, resp.HTTP().Body) })
		both.Go(func() { _ = resp.Close() })
		both.Wait()
	}
}
