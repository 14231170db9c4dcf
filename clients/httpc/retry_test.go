package httpc

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// diesAfterOne answers one request and closes the connection without an answer when another arrives.
func diesAfterOne(nc net.Conn, in *bufio.Reader) {
	if readRequest(in) == nil {
		return
	}
	_, _ = io.WriteString(nc, hello)
	_ = readRequest(in)
}

func TestOnlyWhatMayBeDoneTwiceIsSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		method, key string
		body        func() io.Reader
		again       bool
	}{
		"GET":                    {method: "GET", again: true},
		"HEAD":                   {method: "HEAD", again: true},
		"DELETE":                 {method: "DELETE", again: true},
		"PUT":                    {method: "PUT", body: func() io.Reader { return strings.NewReader("x") }, again: true},
		"PUT of a stream":        {method: "PUT", body: func() io.Reader { return io.MultiReader(strings.NewReader("x")) }},
		"POST":                   {method: "POST", body: func() io.Reader { return strings.NewReader("x") }},
		"POST without a body":    {method: "POST"},
		"POST with a key":        {method: "POST", key: "k", body: func() io.Reader { return strings.NewReader("x") }, again: true},
		"stream with a key":      {method: "POST", key: "k", body: func() io.Reader { return io.MultiReader(strings.NewReader("x")) }},
		"PATCH":                  {method: "PATCH"},
		"a method nobody knows":  {method: "FROB"},
		"big POST with a key":    {method: "POST", key: "k", body: func() io.Reader { return strings.NewReader(long(1 << 20)) }, again: true},
		"big POST without a key": {method: "POST", body: func() io.Reader { return strings.NewReader(long(1 << 20)) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := raw(t, diesAfterOne, says(hello))
			client := newClient(t, nil)
			text(t, client, s.url)
			var body io.Reader
			if c.body != nil {
				body = c.body()
			}
			r := newRequest(t, c.method, s.url, body)
			if c.key != "" {
				r.Header.Set("Idempotency-Key", c.key)
			}
			resp, err := client.RoundTrip(r)
			if !c.again {
				require.Error(t, err)
				require.Equal(t, 1, s.accepted())
				return
			}
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 2, s.accepted())
		})
	}
}

func TestFirstUseOfAConnectionIsNotRepeated(t *testing.T) {
	s := raw(t, func(_ net.Conn, in *bufio.Reader) { readRequest(in) }, says(hello))
	_, err := newClient(t, nil).Get(t.Context(), s.url)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, 1, s.accepted())
}

func TestResponseThatHasBegunIsNotRepeated(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		readRequest(in)
		_, _ = io.WriteString(nc, hello)
		readRequest(in)
		_, _ = io.WriteString(nc, "HTTP/1.1 2")
	}, says(hello))
	c := newClient(t, nil)
	text(t, c, s.url)
	_, err := c.Get(t.Context(), s.url)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, 1, s.accepted())
}

func TestStaleConnectionIsTriedOnceMoreAndNotForEver(t *testing.T) {
	s := raw(t, diesAfterOne, func(_ net.Conn, in *bufio.Reader) { readRequest(in) })
	c := newClient(t, nil)
	text(t, c, s.url)
	_, err := c.Get(t.Context(), s.url)
	require.Error(t, err)
	require.Equal(t, 2, s.accepted())
}

// TestSecondAttemptIsMadeOverANewConnection uses two dead idle connections, and room for one more or none.
func TestSecondAttemptIsMadeOverANewConnection(t *testing.T) {
	for _, most := range []int{2, 3} {
		s := raw(t, diesAfterOne, diesAfterOne, says(hello))
		c := newClient(t, &Config{MaxPerHost: most})
		one := newRequest(t, "GET", s.url, nil)
		require.NoError(t, c.Warm(t.Context(), s.url, 2))
		for _, nc := range idleConns(c) { // use each one once
			resp, failure := attempt(nc, mustPrepare(t, c, one))
			require.Nil(t, failure)
			require.NoError(t, resp.Body.Close())
		}
		status, _ := text(t, c, s.url)
		require.Equal(t, 200, status)
		require.Equal(t, 3, s.accepted())
	}
}

// idleConns removes the idle connections from the pool and returns them.
func idleConns(c *Client) (all []*conn) {
	p := c.t.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.groups {
		all = append(all, g.idle...)
		g.idle = nil
	}
	return all
}

func mustPrepare(t *testing.T, c *Client, r *http.Request) *exchange {
	t.Helper()
	x, err := c.t.prepare(r)
	require.NoError(t, err)
	return x
}

// TestConnectionThatTheServerEndedIsNoticedAtCheckout checks that even a POST succeeds, since nothing of it was
// written.
func TestConnectionThatTheServerEndedIsNoticedAtCheckout(t *testing.T) {
	for name, end := range map[string]func(nc net.Conn){
		"FIN":   func(nc net.Conn) { _ = nc.(*net.TCPConn).CloseWrite() },
		"stray": func(nc net.Conn) { _, _ = io.WriteString(nc, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
		"reset": func(nc net.Conn) { _ = nc.(*net.TCPConn).SetLinger(0); _ = nc.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			idle, ended := make(chan struct{}), make(chan struct{})
			s := raw(t, func(nc net.Conn, in *bufio.Reader) {
				readRequest(in)
				_, _ = io.WriteString(nc, hello)
				<-idle
				end(nc)
				close(ended)
				_, _ = in.ReadByte()
			}, says(hello))
			c := newClient(t, nil)
			text(t, c, s.url)
			close(idle)
			<-ended
			require.Eventually(t, func() bool { // the loopback takes a moment
				c.t.pool.mu.Lock()
				defer c.t.pool.mu.Unlock()
				for _, g := range c.t.pool.groups {
					return len(g.idle) == 1 && !g.idle[0].healthy()
				}
				return false
			}, testPatience, 1e6)
			resp, err := c.Post(t.Context(), s.url, Reader(strings.NewReader("once"), -1))
			require.NoError(t, err)
			require.NoError(t, resp.Close())
			require.Equal(t, 2, s.accepted())
			require.EqualValues(t, 1, c.Stats()[0].Stale)
		})
	}
}

func TestBytesBehindAResponseEndTheConnection(t *testing.T) {
	s := raw(t, says(hello+"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
	c := newClient(t, nil)
	for range 2 {
		_, body := text(t, c, s.url)
		require.Equal(t, "hello", body)
	}
	require.Equal(t, 2, s.accepted())
}

func TestStatusesOfErrorsKeepTheConnection(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", map[string]int{"/4": 404, "/5": 500}[r.URL.Path])
	})
	c := newClient(t, nil)
	for _, path := range []string{"/4", "/5", "/4"} {
		_, body := text(t, c, url+path)
		require.Equal(t, "no\n", body)
	}
	require.EqualValues(t, 1, c.Stats()[0].Dials)
}

// TestBodyThatIsNotWhatWasAnnouncedIsNotSentAgain uses repeatable bodies, which would fail again.
func TestBodyThatIsNotWhatWasAnnouncedIsNotSentAgain(t *testing.T) {
	for name, k := range map[string]struct {
		size    int
		another int64
	}{
		"short":      {5, 10},
		"long":       {5, 2},
		"short, big": {1 << 20, 1<<20 + 1},
		"long, big":  {1 << 20, 1<<20 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := raw(t, says(hello))
			c := newClient(t, nil)
			text(t, c, s.url) // the PUT reuses this connection
			r := newRequest(t, "PUT", s.url, strings.NewReader(long(k.size)))
			r.ContentLength = k.another
			_, err := c.RoundTrip(r)
			require.Error(t, err)
			require.EqualValues(t, 1, c.Stats()[0].Dials)
		})
	}
}

// TestPolicyRepeatsWhatWasNotSent sends a POST without an Idempotency-Key: a failed dial has sent nothing.
func TestPolicyRepeatsWhatWasNotSent(t *testing.T) {
	var dials, requests atomic.Int64
	s := raw(t, func(_ net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			requests.Add(1)
		}
	})
	c := newClient(t, &Config{
		Retry: &RetryPolicy{Tries: 5, First: 1},
		Dial: func(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
			if dials.Add(1) < 3 {
				return nil, errAny
			}
			return clients.DialTCP(ctx, addr, &clients.Config{Conn: *conn})
		},
	})
	_, err := c.Post(t.Context(), s.url, Text("x"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "it was sent the third time, and not again")
	require.EqualValues(t, 3, dials.Load())
	require.EqualValues(t, 1, requests.Load())

	dials.Store(0)
	_, err = c.Post(t.Context(), s.url, Reader(strings.NewReader("x"), 1))
	require.ErrorIs(t, err, errAny, "the body cannot be repeated")
	require.EqualValues(t, 1, dials.Load())
}

// TestLateTimeoutOfAnIdleConnectionIsNotTheAnswer uses a server that ends an idle connection with a 408 while a request
// is on its way (RFC 9110 15.5.9).
func TestLateTimeoutOfAnIdleConnectionIsNotTheAnswer(t *testing.T) {
	const late = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
	for name, k := range map[string]struct {
		answer, method string
		body           io.Reader
		first          bool // first use of the connection
		status         int
	}{
		"GET":                         {late, "GET", nil, false, 200},
		"PUT":                         {late, "PUT", strings.NewReader("x"), false, 200},
		"PUT of a stream":             {late, "PUT", readerOf("x"), false, 408},
		"POST":                        {late, "POST", strings.NewReader("x"), false, 408},
		"a new connection":            {late, "GET", nil, true, 408},
		"a connection that stays":     {"HTTP/1.1 408 Request Timeout\r\nContent-Length: 2\r\n\r\nno", "GET", nil, false, 408},
		"another status that says so": {strings.Replace(late, "408 Request Timeout", "503 Busy", 1), "GET", nil, false, 503},
	} {
		t.Run(name, func(t *testing.T) {
			s := raw(t, func(nc net.Conn, in *bufio.Reader) {
				if !k.first {
					readRequest(in)
					_, _ = io.WriteString(nc, hello)
				}
				if readRequest(in) != nil {
					_, _ = io.WriteString(nc, k.answer)
				}
				_, _ = in.ReadByte()
			}, says(hello))
			c := newClient(t, nil)
			if !k.first {
				text(t, c, s.url)
			}
			resp, err := c.RoundTrip(newRequest(t, k.method, s.url, k.body))
			require.NoError(t, err)
			require.Equal(t, k.status, resp.StatusCode)
			require.NoError(t, resp.Body.Close())
		})
	}
}
