package httpc

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBodiesOfAllKindsComeBack(t *testing.T) {
	url := serve(t, echo)
	c := newClient(t, nil)
	big := long(1 << 20)
	for name, body := range map[string]io.Reader{
		"small": strings.NewReader("hello"), "big": bytes.NewReader([]byte(big)), "chunked": io.MultiReader(strings.NewReader(big)),
		"none": nil, "empty": strings.NewReader(""), "empty chunked": io.MultiReader(),
	} {
		want := map[string]string{"small": "hello", "big": big, "chunked": big}[name]
		for range 3 {
			if s, ok := body.(io.Seeker); ok {
				_, _ = s.Seek(0, io.SeekStart)
			} else if want != "" {
				body = io.MultiReader(strings.NewReader(want))
			}
			resp, err := c.RoundTrip(newRequest(t, "POST", url, body))
			require.NoError(t, err, name)
			got, err := io.ReadAll(resp.Body)
			require.NoError(t, err, name)
			require.Equal(t, want, string(got), name)
			require.NoError(t, resp.Body.Close())
		}
	}
	require.EqualValues(t, 1, c.Stats()[0].Dials, "%+v", c.Stats())
}

func TestRequestIsNotModified(t *testing.T) {
	url := serve(t, echo)
	c := newClient(t, nil)
	r := newRequest(t, "POST", url+"/a?b=c", strings.NewReader("hello"))
	r.Header.Set("X-A", "b")
	before := fmt.Sprintf("%#v %#v %v %v", r.Header, r.URL, r.ContentLength, r.Host)
	resp, err := c.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, before, fmt.Sprintf("%#v %#v %v %v", r.Header, r.URL, r.ContentLength, r.Host))
	require.Same(t, r, resp.Request)
}

func TestBodyIsClosedWhateverHappens(t *testing.T) {
	url := serve(t, echo)
	c := newClient(t, nil)
	for name, change := range map[string]func(r *http.Request){
		"well":       func(*http.Request) {},
		"scheme":     func(r *http.Request) { r.URL.Scheme = "ftp" },
		"method":     func(r *http.Request) { r.Method = "a b" },
		"header":     func(r *http.Request) { r.Header.Set("X", "a\r\nb") },
		"no server":  func(r *http.Request) { r.URL.Host = "127.0.0.1:1" },
		"too short":  func(r *http.Request) { r.ContentLength = 10 },
		"too long":   func(r *http.Request) { r.ContentLength = 2 },
		"no headers": func(r *http.Request) { r.Header = nil },
	} {
		body := recordClose(strings.NewReader("hello"))
		r := newRequest(t, "POST", url, body)
		change(r)
		resp, err := c.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		body.requireClosed(t)
		require.Equal(t, name == "well" || name == "no headers", err == nil, "%s: %v", name, err)
	}
}

func TestResponseIsWhatNetHTTPMakesOfIt(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header()["X-Many"] = []string{"a", "b"}
		w.Header().Set("Date", "Mon, 02 Jan 2006 15:04:05 GMT")
		switch r.URL.Path {
		case "/chunked":
			_, _ = io.WriteString(w, "hel")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "lo")
			w.Header().Set("X-Sum", "5")
		case "/sized":
			w.Header().Del("Trailer")
			_, _ = io.WriteString(w, "hello")
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/odd":
			w.WriteHeader(299)
		case "/close":
			w.Header().Set("Connection", "close")
		}
	})
	standard := &http.Transport{}
	defer standard.CloseIdleConnections()
	c := newClient(t, nil)
	for _, path := range []string{"/chunked", "/sized", "/none", "/odd", "/close"} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			want, err := standard.RoundTrip(newRequest(t, method, url+path, nil))
			require.NoError(t, err)
			got, err := c.RoundTrip(newRequest(t, method, url+path, nil))
			require.NoError(t, err)
			wantBody, err := io.ReadAll(want.Body)
			require.NoError(t, err)
			gotBody, err := io.ReadAll(got.Body)
			require.NoError(t, err)
			require.Equal(t, string(wantBody), string(gotBody))
			for _, r := range []*http.Response{want, got} {
				_ = r.Body.Close()
				r.Body, r.Request = nil, nil
			}
			require.Equal(t, fmt.Sprintf("%+v", *want), fmt.Sprintf("%+v", *got), "%s %s", method, path)
		}
	}
}

func TestTraceHooksAreCalledInOrder(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		echo(w, r)
	})
	c := newClient(t, nil)
	var mu sync.Mutex
	var seen []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, what)
	}
	trace := &httptrace.ClientTrace{
		GetConn:      func(string) { note("GetConn") },
		ConnectStart: func(string, string) { note("ConnectStart") },
		ConnectDone:  func(string, string, error) { note("ConnectDone") },
		GotConn:      func(i httptrace.GotConnInfo) { note(fmt.Sprintf("GotConn %v %v", i.Reused, i.Conn != nil)) },
		WroteHeaderField: func(k string, v []string) {
			if k != "Host" {
				note(k + "=" + strings.Join(v, ","))
			}
		},
		WroteHeaders:         func() { note("WroteHeaders") },
		WroteRequest:         func(i httptrace.WroteRequestInfo) { note(fmt.Sprintf("WroteRequest %v", i.Err)) },
		GotFirstResponseByte: func() { note("GotFirstResponseByte") },
		Got1xxResponse:       func(code int, _ textproto.MIMEHeader) error { note(fmt.Sprint("1xx ", code)); return nil },
		PutIdleConn:          func(err error) { note(fmt.Sprintf("PutIdleConn %v", err)) },
	}
	for range 2 {
		r := newRequest(t, "POST", url, strings.NewReader("hello"))
		resp, err := c.RoundTrip(r.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
	}
	exchange := []string{
		"User-Agent=weir-httpc", "Accept-Encoding=gzip", "Content-Length=5", "WroteHeaders", "WroteRequest <nil>",
		"GotFirstResponseByte", "1xx 103", "PutIdleConn <nil>",
	}
	want := append([]string{"GetConn", "ConnectStart", "ConnectDone", "GotConn false true"}, exchange...)
	want = append(append(want, "GetConn", "GotConn true true"), exchange...)
	require.Equal(t, want, seen)
}

func TestTrailersGoBothWays(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Back")
		_, _ = io.WriteString(w, "x")
		w.Header().Set("X-Back", r.Trailer.Get("X-Sum"))
		w.Header().Set(http.TrailerPrefix+"X-More", "more")
	})
	c := newClient(t, nil)
	r := newRequest(t, "POST", url, nil)
	r.Trailer = http.Header{"X-Sum": nil}
	r.Body = io.NopCloser(&atEnd{Reader: strings.NewReader(long(100 << 10)), f: func() { r.Trailer.Set("X-Sum", "42") }})
	r.ContentLength = -1
	resp, err := c.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, http.Header{"X-Back": nil}, resp.Trailer)
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.Header{"X-Back": {"42"}, "X-More": {"more"}}, resp.Trailer)
}

// atEnd calls f before it returns io.EOF.
type atEnd struct {
	io.Reader
	f func()
}

func (r *atEnd) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		r.f()
	}
	return n, err
}

func TestSwitchedProtocolIsReadAndWritten(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if r := readRequest(in); r == nil || r.Header.Get("Upgrade") != "echo" {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst ")
		_, _ = io.Copy(nc, in)
	})
	c := newClient(t, nil)
	r := newRequest(t, "GET", s.url, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	resp, err := c.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, 101, resp.StatusCode)
	rw := resp.Body.(io.ReadWriteCloser)
	_, err = io.WriteString(rw, "hello")
	require.NoError(t, err)
	require.NoError(t, rw.(interface{ CloseWrite() error }).CloseWrite())
	all, err := io.ReadAll(rw)
	require.NoError(t, err)
	require.Equal(t, "first hello", string(all))
	require.NoError(t, rw.Close())
	require.Zero(t, c.Stats()[0].Open)
}

func TestSwitchNobodyAskedForIsAnError(t *testing.T) {
	for name, header := range map[string][2]string{
		"unasked": {}, "another": {"Upgrade", "other"},
	} {
		s := raw(t, saysOnce("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"))
		c := newClient(t, nil)
		r := newRequest(t, "GET", s.url, nil)
		if header[0] != "" {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set(header[0], header[1])
		}
		_, err := c.RoundTrip(r)
		require.ErrorIs(t, err, errSwitch, name)
	}
}

func TestReverseProxyUpgradesOverIt(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_, _ = io.Copy(nc, in)
		}
	})
	target, err := url.Parse(s.url)
	require.NoError(t, err)
	c := newClient(t, nil)
	proxy := &httputil.ReverseProxy{Transport: c, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	front := serve(t, proxy.ServeHTTP)
	r := newRequest(t, "GET", front, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	resp, err := c.RoundTrip(r)
	require.NoError(t, err)
	rw := resp.Body.(io.ReadWriteCloser)
	_, err = io.WriteString(rw, "hello")
	require.NoError(t, err)
	got := make([]byte, 5)
	_, err = io.ReadFull(rw, got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	require.NoError(t, rw.Close())
}

func TestCancelledWhileWaitingForTheResponse(t *testing.T) {
	arrived := make(chan struct{})
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			close(arrived)
			_, _ = in.ReadByte()
		}
	})
	c := newClient(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	mine := errors.New("mine")
	go func() { <-arrived; cancel(mine) }()
	_, err := c.RoundTrip(newRequest(t, "GET", s.url, nil).WithContext(ctx))
	require.ErrorIs(t, err, mine)
	require.Zero(t, c.Stats()[0].Open)
}

func TestCancelledInABodyThatNobodyReads(t *testing.T) {
	ended := make(chan struct{})
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
			_, _ = in.ReadByte()
			close(ended)
		}
	})
	c := newClient(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := c.RoundTrip(newRequest(t, "GET", s.url, nil).WithContext(ctx))
	require.NoError(t, err)
	cancel()
	<-ended
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, context.Canceled)
}

func TestBodyClosedBesideAReadEndsIt(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
			_, _ = in.ReadByte()
		}
	})
	c := newClient(t, nil)
	resp, err := c.RoundTrip(newRequest(t, "GET", s.url, nil))
	require.NoError(t, err)
	read := make(chan error)
	go func() {
		_, err := io.ReadAll(resp.Body)
		read <- err
	}()
	require.NoError(t, resp.Body.Close())
	require.Error(t, <-read)
	require.Zero(t, c.Stats()[0].Open)
	_, err = resp.Body.Read(make([]byte, 1))
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
}

func TestGzipIsAskedForAndUndone(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Asked", r.Header.Get("Accept-Encoding"))
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped("hello"))
			return
		}
		_, _ = io.WriteString(w, "plain")
	})
	c := newClient(t, nil)
	resp, err := c.RoundTrip(newRequest(t, "GET", url, nil))
	require.NoError(t, err)
	require.True(t, resp.Uncompressed)
	require.EqualValues(t, -1, resp.ContentLength)
	require.Empty(t, resp.Header["Content-Encoding"])
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "hello", string(body))

	for name, change := range map[string]func(r *http.Request){
		"":         func(r *http.Request) { r.Header.Set("Range", "bytes=0-1") },
		"gzip;q=1": func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip;q=1") },
	} {
		r := newRequest(t, "GET", url, nil)
		change(r)
		resp, err := c.RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, name, resp.Header.Get("X-Asked"))
		require.False(t, resp.Uncompressed)
		require.NoError(t, resp.Body.Close())
	}
	resp, err = c.RoundTrip(newRequest(t, "HEAD", url, nil))
	require.NoError(t, err)
	require.Equal(t, "", resp.Header.Get("X-Asked"))

	mine, err := c.Get(t.Context(), url)
	require.NoError(t, err)
	require.Equal(t, []string{"gzip"}, mine.ContentEncoding)
	require.NoError(t, mine.Close())
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

// TestBodyIsCopiedWithoutABuffer uses io.Copy, and a writer that fails partway.
func TestBodyIsCopiedWithoutABuffer(t *testing.T) {
	big := long(3 << 20)
	overBoth(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, big) }, func(t *testing.T, c *Client, base string) {
		resp, err := c.RoundTrip(newRequest(t, "GET", base, nil))
		require.NoError(t, err)
		var b bytes.Buffer
		n, err := io.Copy(&b, resp.Body)
		require.NoError(t, err)
		require.EqualValues(t, len(big), n)
		require.Equal(t, big, b.String())
		n, err = io.Copy(&b, resp.Body)
		require.NoError(t, err)
		require.Zero(t, n)

		resp, err = c.RoundTrip(newRequest(t, "GET", base, nil))
		require.NoError(t, err)
		mine := errors.New("mine")
		b.Reset()
		_, err = io.Copy(&failing{w: &b, after: 1 << 20, err: mine}, resp.Body)
		require.ErrorIs(t, err, mine)
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, big, b.String()+string(rest), "what the writer did not take is still there")

		resp, err = c.RoundTrip(newRequest(t, "GET", base, nil))
		require.NoError(t, err)
		require.PanicsWithValue(t, "mine", func() { _, _ = io.Copy(writerFunc(func([]byte) (int, error) { panic("mine") }), resp.Body) })
		_, err = resp.Body.Read(make([]byte, 1))
		require.Error(t, err)
		require.NoError(t, resp.Body.Close())
	})
}

// failing is a writer that fails after a number of bytes.
type failing struct {
	w     io.Writer
	after int
	err   error
}

func (f *failing) Write(p []byte) (int, error) {
	if len(p) <= f.after {
		f.after -= len(p)
		return f.w.Write(p)
	}
	n, _ := f.w.Write(p[:f.after])
	f.after = 0
	return n, f.err
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestLengthThatIsNotOfTheBodyIsNoField uses a reverse proxy, which passes on the fields of a response (RFC 9112 6.3).
func TestLengthThatIsNotOfTheBodyIsNoField(t *testing.T) {
	for name, k := range map[string]struct {
		answer string
		length []string
	}{
		"chunked":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", nil},
		"until the end": {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: identity\r\n\r\nhello", nil},
		"twice":         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", []string{"5"}},
		"a list":        {"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", []string{"5"}},
		"once":          {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", []string{"5"}},
	} {
		t.Run(name, func(t *testing.T) {
			to, err := url.Parse(raw(t, saysOnce(k.answer)).url)
			require.NoError(t, err)
			c := newClient(t, nil)
			resp, err := c.RoundTrip(newRequest(t, "GET", to.String(), nil))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, k.length, resp.Header["Content-Length"])
			resp, err = c.RoundTrip(newRequest(t, "HEAD", to.String(), nil))
			require.NoError(t, err)
			if k.length != nil {
				require.Equal(t, k.length, resp.Header["Content-Length"])
			}

			proxy := &httputil.ReverseProxy{Transport: c, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
			status, body := text(t, c, serve(t, proxy.ServeHTTP))
			require.Equal(t, 200, status)
			require.Equal(t, "hello", body)
		})
	}
}
