package httpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// kind is a kind of request, with the properties that matter for another attempt.
type kind struct {
	name, method string
	idempotent   bool // by RFC 9110 9.2.2, or it has a key
	key          bool
	body         byte // 'r': can be repeated, 'o': can be read once, 0: none
}

var kinds = []kind{
	{name: "GET", method: "GET", idempotent: true},
	{name: "HEAD", method: "HEAD", idempotent: true},
	{name: "OPTIONS", method: "OPTIONS", idempotent: true},
	{name: "TRACE", method: "TRACE", idempotent: true},
	{name: "DELETE", method: "DELETE", idempotent: true},
	{name: "PUT", method: "PUT", idempotent: true, body: 'r'},
	{name: "PUT of a stream", method: "PUT", idempotent: true, body: 'o'},
	{name: "POST", method: "POST", body: 'r'},
	{name: "POST without a body", method: "POST"},
	{name: "POST with a key", method: "POST", idempotent: true, key: true, body: 'r'},
	{name: "POST of a stream with a key", method: "POST", idempotent: true, key: true, body: 'o'},
	{name: "PATCH", method: "PATCH", body: 'r'},
	{name: "a method nobody knows", method: "FROB"},
}

// request returns a request of the kind, with a body of that size if it has one.
func (k kind) request(t *testing.T, url string, size int) *http.Request {
	var body io.Reader
	switch k.body {
	case 'r':
		body = strings.NewReader(long(size))
	case 'o':
		body = readerOf(long(size))
	}
	r := newRequest(t, k.method, url, body)
	if k.key {
		r.Header.Set("Idempotency-Key", "k")
	}
	return r
}

// The requests that are sent again.
var (
	everything = func(kind) bool { return true }
	nothing    = func(kind) bool { return false }
	repeatable = func(k kind) bool { return k.body != 'o' } // the server has not acted on it
	harmless   = func(k kind) bool { return k.body != 'o' && k.idempotent }
)

// moment is the time of a failure, and its consequences.
type moment struct {
	again  func(kind) bool
	status int    // of the response if the request is not sent again; 0 means an error
	cut    bool   // reading the body of that response fails
	text   string // of the error
}

// requireOutcome sends r and checks the result.
func (m *moment) requireOutcome(t *testing.T, c *Client, k kind, r *http.Request) {
	t.Helper()
	resp, err := c.RoundTrip(r)
	if m.again(k) {
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
		return
	}
	if m.status == 0 {
		require.Error(t, err)
		require.ErrorContains(t, err, m.text)
		return
	}
	require.NoError(t, err)
	require.Equal(t, m.status, resp.StatusCode)
	_, err = io.ReadAll(resp.Body)
	require.Equal(t, m.cut && k.method != "HEAD", err != nil, "%v", err)
	require.NoError(t, resp.Body.Close())
}

// TestMomentsOfFailureOverHTTP1 uses a server that fails at one moment of the first or second request on a connection.
// Repeated requests are answered over another connection.
func TestMomentsOfFailureOverHTTP1(t *testing.T) {
	answers := func(text string) func(net.Conn, *bufio.Reader) {
		return func(nc net.Conn, in *bufio.Reader) {
			if readRequest(in) != nil {
				_, _ = io.WriteString(nc, text)
			}
		}
	}
	refuses := func(status string) func(net.Conn, *bufio.Reader) {
		return answers("HTTP/1.1 " + status + " No\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	}
	const big = 1 << 20
	for name, m := range map[string]struct {
		moment
		first bool // it is the first request on its connection
		size  int  // of bodies; 0 means 1
		fails func(nc net.Conn, in *bufio.Reader)
	}{
		"ends when the first byte has come": {moment: moment{again: harmless}, fails: func(_ net.Conn, in *bufio.Reader) { _, _ = in.Peek(1) }},
		"ends when the first byte has come, new": {first: true, moment: moment{again: nothing}, fails: func(_ net.Conn, in *bufio.Reader) {
			_, _ = in.Peek(1)
		}},
		"ends within the body": {size: big, moment: moment{again: harmless}, fails: func(_ net.Conn, in *bufio.Reader) {
			if r, err := http.ReadRequest(in); err == nil {
				_, _ = io.CopyN(io.Discard, r.Body, big/2)
			}
		}},
		"ends within the body, new": {first: true, size: big, moment: moment{again: nothing}, fails: func(_ net.Conn, in *bufio.Reader) {
			if r, err := http.ReadRequest(in); err == nil {
				_, _ = io.CopyN(io.Discard, r.Body, big/2)
			}
		}},
		"ends behind the request":           {moment: moment{again: harmless}, fails: answers("")},
		"ends behind the request, new":      {first: true, moment: moment{again: nothing, text: "EOF"}, fails: answers("")},
		"ends within the head":              {moment: moment{again: nothing, text: "EOF"}, fails: answers("HTTP/1.1 200 OK\r\nA")},
		"ends behind an informational head": {moment: moment{again: nothing, text: "EOF"}, fails: answers("HTTP/1.1 103 Hints\r\n\r\n")},
		"answers with no HTTP":              {moment: moment{again: nothing}, fails: answers("SSH-2.0-x\r\n\r\n")},
		"ends within the response's body":   {moment: moment{again: nothing, status: 200, cut: true}, fails: answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")},
		"408, late":                         {moment: moment{again: harmless, status: 408}, fails: refuses("408")},
		"408, new":                          {first: true, moment: moment{again: nothing, status: 408}, fails: refuses("408")},
		"413":                               {moment: moment{again: nothing, status: 413}, fails: refuses("413")},
		"421":                               {moment: moment{again: repeatable, status: 421}, fails: refuses("421")},
		"421, new":                          {first: true, moment: moment{again: nothing, status: 421}, fails: refuses("421")},
		"425":                               {moment: moment{again: nothing, status: 425}, fails: refuses("425")},
		"429":                               {moment: moment{again: nothing, status: 429}, fails: refuses("429")},
		"503":                               {moment: moment{again: nothing, status: 503}, fails: refuses("503")},
	} {
		for _, k := range kinds {
			if m.size > 1 && k.body == 0 {
				continue
			}
			t.Run(name+"/"+k.name, func(t *testing.T) {
				s := raw(t, func(nc net.Conn, in *bufio.Reader) {
					if !m.first {
						readRequest(in)
						_, _ = io.WriteString(nc, hello)
					}
					m.fails(nc, in)
				}, answersAnything)
				c := newClient(t, nil)
				if !m.first {
					text(t, c, s.url)
				}
				m.requireOutcome(t, c, k, k.request(t, s.url, max(m.size, 1)))
				require.Equal(t, map[bool]int{false: 1, true: 2}[m.again(k)], s.accepted())
			})
		}
	}
}

// answersAnything answers each request, including HEAD.
func answersAnything(nc net.Conn, in *bufio.Reader) {
	for r := readRequest(in); r != nil; r = readRequest(in) {
		answer := hello
		if r.Method == "HEAD" {
			answer = strings.TrimSuffix(hello, "hello")
		}
		_, _ = io.WriteString(nc, answer)
	}
}

// TestEndOfAnIdleConnectionFailsNothing tests every kind of request: the end is noticed before anything is written.
func TestEndOfAnIdleConnectionFailsNothing(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := raw(t, saysOnce(hello), answersAnything)
			c := newClient(t, nil)
			text(t, c, s.url)
			nc := idleConns(c)[0]
			require.Eventually(t, func() bool { return !nc.healthy() }, testPatience, 1e6)
			c.t.pool.put(nc)
			(&moment{again: everything}).requireOutcome(t, c, k, k.request(t, s.url, 1))
			require.Equal(t, 2, s.accepted())
		})
	}
}

// TestRefusedDialIsNotRepeated covers requests without a RetryPolicy.
func TestRefusedDialIsNotRepeated(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	for _, k := range kinds {
		c := newClient(t, nil)
		(&moment{again: nothing, text: "refused"}).requireOutcome(t, c, k, k.request(t, "http://"+ln.Addr().String(), 1))
		require.EqualValues(t, 1, c.Stats()[0].Dials)
	}
}

// TestMomentsOfFailureOverHTTP2 uses a server that fails at one moment of the first or second request on a connection.
func TestMomentsOfFailureOverHTTP2(t *testing.T) {
	ends := func(first ...answer) answer { // ends the connection after the answers
		return func(f *frames.Framer, id uint32) {
			for _, a := range first {
				a(f, id)
			}
			_ = f.WriteRawFrame(0xff, 0, 0, nil)
			_ = f.WriteRawFrame(frames.FrameSettings, frames.FlagSettingsAck, 0, []byte("x")) // a connection error
		}
	}
	status := func(code string) answer {
		return func(f *frames.Framer, id uint32) { writeHead(f, id, true, ":status", code) }
	}
	for name, m := range map[string]struct {
		moment
		first bool // it is the first request on its connection
		conns int  // connections if it is sent again; 0 means 2
		fails answer
	}{
		"REFUSED_STREAM":                  {conns: 1, moment: moment{again: repeatable}, fails: resets(frames.ErrCodeRefusedStream)},
		"REFUSED_STREAM, new":             {conns: 1, first: true, moment: moment{again: repeatable}, fails: resets(frames.ErrCodeRefusedStream)},
		"GOAWAY below":                    {moment: moment{again: repeatable}, fails: goesAway(1)},
		"GOAWAY below, new":               {first: true, moment: moment{again: repeatable}, fails: goesAway(0)},
		"GOAWAY above, then the end":      {moment: moment{again: harmless}, fails: ends(goesAway(3))},
		"GOAWAY above, then the end, new": {first: true, moment: moment{again: nothing}, fails: ends(goesAway(1))},
		"the end":                         {moment: moment{again: harmless}, fails: ends()},
		"the end, new":                    {first: true, moment: moment{again: nothing}, fails: ends()},
		"INTERNAL_ERROR":                  {moment: moment{again: nothing}, fails: resets(frames.ErrCodeInternal)},
		"CANCEL":                          {moment: moment{again: nothing}, fails: resets(frames.ErrCodeCancel)},
		"ENHANCE_YOUR_CALM":               {moment: moment{again: nothing}, fails: resets(frames.ErrCodeEnhanceYourCalm)},
		"HTTP_1_1_REQUIRED":               {moment: moment{again: nothing, text: "HTTP_1_1_REQUIRED"}, fails: resets(frames.ErrCodeHTTP11Required)},
		"408":                             {moment: moment{again: nothing, status: 408}, fails: status("408")},
		"413":                             {moment: moment{again: nothing, status: 413}, fails: status("413")},
		"421":                             {moment: moment{again: repeatable, status: 421}, fails: status("421")},
		"421, new":                        {first: true, moment: moment{again: nothing, status: 421}, fails: status("421")},
		"425":                             {moment: moment{again: nothing, status: 425}, fails: status("425")},
		"503":                             {moment: moment{again: nothing, status: 503}, fails: status("503")},
	} {
		for _, k := range kinds {
			t.Run(name+"/"+k.name, func(t *testing.T) {
				first := []answer{answersHead, m.fails, answersHead}
				if m.first {
					first = slices.Delete(first, 0, 1)
				}
				s := framed(t, first, []answer{answersHead})
				c := newClient(t, &Config{Protocols: h2c()})
				if !m.first {
					status, _ := text(t, c, s.url)
					require.Equal(t, 200, status)
				}
				m.requireOutcome(t, c, k, k.request(t, s.url, 1))
				want := 1
				if m.again(k) && m.conns == 0 {
					want = 2
				}
				require.Equal(t, want, s.accepted())
			})
		}
	}
}

// answersHead sends a complete response without a body.
func answersHead(f *frames.Framer, id uint32) { writeHead(f, id, true, ":status", "200") }

// TestPolicyRepeatsNetworkErrorsOnly uses errors that middleware, an Auth and a body return.
func TestPolicyRepeatsNetworkErrorsOnly(t *testing.T) {
	u := serve(t, echo)
	mine := errors.New("mine")
	down := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	var calls atomic.Int64
	failing := func(err error) func(http.RoundTripper) http.RoundTripper {
		return func(http.RoundTripper) http.RoundTripper {
			return roundTripper(func(*http.Request) (*http.Response, error) {
				calls.Add(1)
				return nil, err
			})
		}
	}
	auth := TokenSource(func(context.Context) (string, error) {
		calls.Add(1)
		return "", mine
	})
	body := Bytes([]byte("a")).WithProgress(func(int64) {
		calls.Add(1)
		panic(mine)
	})
	for name, k := range map[string]struct {
		use   func(*Client)
		r     Request
		calls int64
	}{
		"OnResponse": {use: func(c *Client) {
			c.OnResponse(func(*http.Response) error {
				calls.Add(1)
				return mine
			})
		}, calls: 1},
		"middleware":                   {use: func(c *Client) { c.Use(failing(mine)) }, calls: 1},
		"middleware without a network": {use: func(c *Client) { c.Use(failing(down)) }, calls: 3},
		"middleware that has mended a failure": {use: func(c *Client) {
			c.Use(func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					calls.Add(1)
					dead := r.Clone(r.Context())
					dead.URL.Host = "127.0.0.1:0"
					_, err := next.RoundTrip(dead)
					require.Error(t, err)
					resp, err := next.RoundTrip(r)
					require.NoError(t, err)
					_ = resp.Body.Close()
					return nil, mine
				})
			})
		}, calls: 1},
		"Auth":                        {r: Request{Auth: auth}, calls: 1},
		"a body that fails":           {r: Request{Method: "PUT", Body: body}, calls: 1},
		"a body that fails, asked If": {r: Request{Method: "PUT", Body: body, Retry: &RetryPolicy{First: -1, If: func(*http.Response, error) bool { return true }}}, calls: 3},
	} {
		t.Run(name, func(t *testing.T) {
			calls.Store(0)
			c := newClient(t, &Config{Retry: &RetryPolicy{First: -1}})
			if k.use != nil {
				k.use(c)
			}
			k.r.URL = u
			_, err := c.Do(t.Context(), &k.r)
			require.Error(t, err)
			require.Equal(t, k.calls, calls.Load())
		})
	}
}
