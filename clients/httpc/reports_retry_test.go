package httpc

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// The tests in this file cover problems with repeated requests that were reported for other clients.

// TestServerThatEndsEachConnectionSilentlyIsAskedOnAndOn uses a server that never announces the end.
func TestServerThatEndsEachConnectionSilentlyIsAskedOnAndOn(t *testing.T) {
	s := raw(t, saysOnce(hello))
	c := newClient(t, nil)
	for range 20 {
		_, body := text(t, c, s.url)
		require.Equal(t, "hello", body)
	}
}

// TestServerThatEndsConnectionsUnderLoadFailsNobody ends connections after a few requests each, without an announcement,
// while many requests are on their way.
func TestServerThatEndsConnectionsUnderLoadFailsNobody(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		for range 5 {
			if readRequest(in) == nil {
				return
			}
			_, _ = io.WriteString(nc, hello)
		}
	})
	c := newClient(t, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				resp, err := c.Get(t.Context(), s.url)
				if !assert.NoError(t, err) {
					return
				}
				got, err := resp.Text(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, "hello", got)
			}
		})
	}
	wg.Wait()
}

// TestRefusedRedirectLeavesNoConnection uses a redirect whose body never ends.
func TestRefusedRedirectLeavesNoConnection(t *testing.T) {
	for _, location := range []string{"Location: ftp://a/\r\n", "Location: /again\r\n", "Location: http://[::1\r\n"} {
		s := raw(t, func(nc net.Conn, in *bufio.Reader) {
			if readRequest(in) != nil {
				_, _ = io.WriteString(nc, "HTTP/1.1 302 Found\r\n"+location+"Content-Length: 100000\r\n\r\nx")
				_, _ = io.Copy(io.Discard, in)
			}
		})
		c := newClient(t, &Config{MaxRedirects: 2})
		_, err := c.Get(t.Context(), s.url)
		var refused *RedirectError
		require.ErrorAs(t, err, &refused, location)
		require.Zero(t, c.Stats()[0].Open)
	}
}

// TestRetriesNeedOneConnection retries responses with bodies, with room for one connection.
func TestRetriesNeedOneConnection(t *testing.T) {
	for name, size := range map[string]int{"short": 100, "long": 1 << 20} {
		var asked atomic.Int64
		base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1) < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = io.WriteString(w, long(size))
		})
		c := newClient(t, &Config{MaxPerHost: 1, PoolTimeout: testPatience, Retry: &RetryPolicy{First: -1}})
		status, body := text(t, c, base)
		require.Equal(t, 200, status, name)
		require.Len(t, body, size)
		require.EqualValues(t, 3, asked.Load())
	}
}

// TestRepeatedRequestsHaveTheirBodies repeats each kind of body that is repeatable: after a status, over a connection
// that was dead, and after a redirect that is itself repeated.
func TestRepeatedRequestsHaveTheirBodies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, os.WriteFile(path, []byte("file"), 0o600))
	for name, body := range map[string]Body{
		"text": Text("hello"), "JSON": JSON([]int{1}), "form": Form(Params{"a": "b"}, Style{}), "file": File(path), "empty": Text(""),
		"parts": Multipart(Field("a", "b"), FilePart("c", path)), "progress": Text("hello").WithProgress(func(int64) {}), "long": Text(long(1 << 20)),
	} {
		var bodies []string
		busy := 0
		base := serve(t, func(w http.ResponseWriter, r *http.Request) {
			p, _ := io.ReadAll(r.Body)
			bodies = append(bodies, r.Header.Get("Content-Type")+string(p))
			if busy--; busy >= 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			} else if r.URL.Path == "/from" {
				busy = 1
				http.Redirect(w, r, "/to", http.StatusPermanentRedirect)
			}
		})
		c := newClient(t, &Config{Retry: &RetryPolicy{First: -1}})
		busy = 1
		resp, err := c.Do(t.Context(), &Request{Method: "PUT", URL: base + "/from", Body: body})
		require.NoError(t, err, name)
		require.NoError(t, resp.Close())
		require.Equal(t, 200, resp.Status, name)
		require.Equal(t, "/to", resp.URL.Path)
		require.Len(t, bodies, 4, "busy, redirect, busy, response")
		require.NotEmpty(t, bodies[0])
		for _, got := range bodies {
			require.True(t, got == bodies[0], "%s: %.100q", name, got)
		}

		got := make(chan string, 1)
		s := raw(t, diesAfterOne, func(nc net.Conn, in *bufio.Reader) {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			p, _ := io.ReadAll(r.Body)
			got <- r.Header.Get("Content-Type") + string(p)
			_, _ = io.WriteString(nc, hello)
		})
		c = newClient(t, nil)
		text(t, c, s.url)
		resp, err = c.Do(t.Context(), &Request{Method: "PUT", URL: s.url, Body: body})
		require.NoError(t, err, name)
		require.NoError(t, resp.Close())
		require.True(t, bodies[0] == <-got, name)
	}
}

// TestPauseThatNobodyCanAwaitIsNotMade returns the response, or the error, of the last attempt at once if the deadline
// comes before the next attempt. An end within a pause is the end of ctx.
func TestPauseThatNobodyCanAwaitIsNotMade(t *testing.T) {
	busy := says("HTTP/1.1 503 Busy\r\nRetry-After: 50\r\nContent-Length: 4\r\n\r\nbusy")
	inBubble(t, Config{Retry: &RetryPolicy{Tries: 9}}, busy, func(t *testing.T, c *Client, _ *atomic.Int64) {
		start := time.Now()
		resp, err := c.Do(t.Context(), &Request{URL: "http://a", Timeout: time.Minute})
		require.NoError(t, err)
		require.Equal(t, 503, resp.Status)
		require.Equal(t, 50*time.Second, time.Since(start).Truncate(time.Second), "the second attempt")
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, "busy", got)

		mine := errors.New("mine")
		ctx, cancel := context.WithCancelCause(t.Context())
		f := c.Go(ctx, &Request{URL: "http://a"})
		synctest.Wait()
		cancel(mine)
		_, err = f.Await(t.Context())
		require.ErrorIs(t, err, mine)
	})
	inBubble(t, Config{}, func(_ net.Conn, in *bufio.Reader) { readRequest(in) }, func(t *testing.T, c *Client, _ *atomic.Int64) {
		start := time.Now()
		_, err := c.Do(t.Context(), &Request{URL: "http://a", Timeout: time.Nanosecond << 20, Retry: &RetryPolicy{First: 1 << 62, Most: 1 << 62}})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Zero(t, time.Since(start))
	})
}

// TestGzipOfSeveralMembersIsOneBody concatenates members, as RFC 1952 2.2 allows. Other bytes behind them are an error.
func TestGzipOfSeveralMembersIsOneBody(t *testing.T) {
	for more, want := range map[string]error{string(gzipped(" world")): nil, "bytes of another kind": gzip.ErrHeader, string(gzipped(" world")[:8]): io.ErrUnexpectedEOF} {
		s := raw(t, says(sized("Content-Encoding: gzip\r\n", string(gzipped("hello"))+more)))
		resp, err := newClient(t, nil).Get(t.Context(), s.url)
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.ErrorIs(t, err, want, "%q", more)
		if want == nil {
			require.Equal(t, "hello world", got)
		}
	}
}

// TestRefusedExpectationOverHTTP2IsRepeatedOnce sends 417, with or without the end of the stream.
func TestRefusedExpectationOverHTTP2IsRepeatedOnce(t *testing.T) {
	for _, ends := range []bool{true, false} {
		refuses := func(f *frames.Framer, id uint32) {
			writeHead(f, id, ends, ":status", "417")
			if !ends {
				_ = f.WriteData(id, false, []byte("no"))
			}
		}
		s := framed(t, []answer{refuses, answers200, refuses})
		c := newClient(t, &Config{Protocols: h2c(), ExpectTimeout: testPatience})
		for _, want := range []int{200, 417} {
			body := Text("x")
			if want == 417 {
				body = Reader(strings.NewReader("x"), 1) // it has not been read
			}
			resp, err := c.Do(t.Context(), &Request{URL: s.url, Body: body, Expect: true})
			require.NoError(t, err)
			require.Equal(t, want, resp.Status)
			require.NoError(t, resp.Close())
		}
		require.Equal(t, 1, s.accepted())
		require.Eventually(t, func() bool { return c.Stats()[0].Idle == 1 }, testPatience, 1e6)
	}
}
