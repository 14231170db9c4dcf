package httpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
)

// overBoth runs a test over HTTP/1 and HTTP/2 with TLS, and over HTTP/2 without TLS.
func overBoth(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, c *Client, base string)) {
	t.Helper()
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0", "h2c"} {
		t.Run(version, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(handler)
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.EnableHTTP2 = version == "HTTP/2.0"
			cfg := Config{}
			if version == "h2c" {
				srv.Config.Protocols = new(http.Protocols)
				srv.Config.Protocols.SetUnencryptedHTTP2(true)
				srv.Start()
				cfg.Protocols = srv.Config.Protocols
			} else {
				srv.StartTLS()
				cfg.Connect = trusting()
			}
			t.Cleanup(srv.Close)
			c := newClient(t, &cfg)
			test(t, c, srv.URL)
		})
	}
}

func TestBodiesGoBothWaysOverEitherVersion(t *testing.T) {
	overBoth(t, echo, func(t *testing.T, c *Client, base string) {
		big := long(1 << 20)
		for name, body := range map[string]struct {
			Body
			want string
		}{
			"none": {}, "small": {Text("hello"), "hello"}, "big": {Text(big), big}, "unknown length": {Reader(readerOf(big), -1), big},
			"several parts": {Multipart(), ""}, "empty stream": {Reader(readerOf(""), -1), ""},
		} {
			resp, err := c.Do(t.Context(), &Request{Method: "PUT", URL: base, Body: body.Body})
			require.NoError(t, err, name)
			require.True(t, strings.HasSuffix(t.Name(), resp.Proto) || resp.Proto == "HTTP/2.0", resp.Proto)
			got, err := resp.Text(t.Context())
			require.NoError(t, err, name)
			if name != "several parts" {
				require.Equal(t, body.want, got, name)
			}
			require.Equal(t, "PUT", resp.Header.Get("X-Method"))
		}
		require.EqualValues(t, 1, c.Stats()[0].Dials, "%+v", c.Stats())
	})
}

func TestTrailersInformationalAndExpectOverEitherVersion(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Back")
		_, _ = w.Write(body)
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Back", r.Trailer.Get("X-Sum"))
	}
	overBoth(t, handler, func(t *testing.T, c *Client, base string) {
		trailer := http.Header{"X-Sum": {"42"}}
		resp, err := c.Do(t.Context(), &Request{Method: "POST", URL: base, Body: Reader(readerOf("hello"), -1), Trailer: trailer, Expect: true})
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", got)
		require.Equal(t, "42", resp.Trailer().Get("X-Back"))
		require.Equal(t, 103, resp.Informational[0].Status)
		require.Equal(t, "</x>", resp.Informational[0].Header.Get("Link"))

		body := recordClose(readerOf("hello"))
		resp, err = c.Do(t.Context(), &Request{Method: "POST", URL: base + "/no", Body: Reader(body, 5), Expect: true})
		require.NoError(t, err)
		require.Equal(t, 403, resp.Status)
		require.NoError(t, resp.Close())
		body.requireClosed(t)
	})
}

func TestRefusalStopsTheBodyOverEitherVersion(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex() // otherwise it first reads the body
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "no")
	}
	overBoth(t, handler, func(t *testing.T, c *Client, base string) {
		r, w := io.Pipe()
		resp, err := c.RoundTrip(newRequest(t, "POST", base, r))
		require.NoError(t, err)
		require.Equal(t, 413, resp.StatusCode)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "no", string(got))
		for err == nil {
			_, err = io.WriteString(w, long(1<<10))
		}
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

func TestFullDuplexOverEitherVersion(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		_ = rc.Flush()
		one := make([]byte, 1)
		for {
			if _, err := io.ReadFull(r.Body, one); err != nil {
				return
			}
			_, _ = w.Write(one)
			_ = rc.Flush()
		}
	}
	overBoth(t, handler, func(t *testing.T, c *Client, base string) {
		r, w := io.Pipe()
		resp, err := c.RoundTrip(newRequest(t, "POST", base, r))
		require.NoError(t, err)
		one := make([]byte, 1)
		for _, letter := range "abc" {
			_, err := io.WriteString(w, string(letter))
			require.NoError(t, err)
			_, err = io.ReadFull(resp.Body, one)
			require.NoError(t, err)
			require.Equal(t, string(letter), string(one))
		}
		require.NoError(t, w.Close())
		_, err = resp.Body.Read(one)
		require.Equal(t, io.EOF, err)
	})
}

func TestManyShareOneConnectionOutOfOrder(t *testing.T) {
	const n = 50
	var mu sync.Mutex
	turn := map[string]chan struct{}{}
	var arrived atomic.Int64
	all := make(chan struct{})
	handler := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		mine := make(chan struct{})
		turn[r.URL.Path] = mine
		mu.Unlock()
		if arrived.Add(1) == n {
			close(all)
		}
		<-mine
		_, _ = io.WriteString(w, r.URL.Path)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(handler))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := newClient(t, &Config{Connect: trusting()})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			path := fmt.Sprintf("/%d", i)
			resp, err := c.Get(t.Context(), srv.URL+path)
			if err != nil {
				t.Error(err)
				return
			}
			got, err := resp.Text(t.Context())
			if err != nil || got != path {
				t.Error(got, err)
			}
		})
	}
	<-all
	for i := n - 1; i >= 0; i-- {
		mu.Lock()
		close(turn[fmt.Sprintf("/%d", i)])
		mu.Unlock()
	}
	wg.Wait()
	require.EqualValues(t, 1, c.Stats()[0].Dials)
}

func TestCancellingAStreamLeavesTheConnection(t *testing.T) {
	ended := make(chan struct{}, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			ended <- struct{}{}
		}
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(handler))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := newClient(t, &Config{Connect: trusting()})
	text(t, c, srv.URL)
	ctx, cancel := context.WithCancelCause(t.Context())
	resp, err := c.Get(ctx, srv.URL+"/hang")
	require.NoError(t, err)
	mine := errors.New("mine")
	cancel(mine)
	<-ended
	_, err = resp.Text(t.Context())
	require.ErrorIs(t, err, mine)
	resp, err = c.Get(t.Context(), srv.URL+"/hang")
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	<-ended
	text(t, c, srv.URL)
	require.EqualValues(t, 1, c.Stats()[0].Dials)
	require.Eventually(t, func() bool { return c.Stats()[0].Streams == 0 }, testPatience, 1e6, "a call that is cancelled does not wait")
}

func TestConnectionOfHTTP2ThatEndsIsReplaced(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := newClient(t, &Config{Connect: trusting()})
	for range 3 {
		resp, err := c.Post(t.Context(), srv.URL, Text("x"))
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		srv.CloseClientConnections()
		require.Eventually(t, func() bool { return c.Stats()[0].Open == 0 }, testPatience, 1e6)
	}
	require.EqualValues(t, 3, c.Stats()[0].Dials)
	text(t, c, srv.URL)
	c.CloseIdleConnections()
	require.Eventually(t, func() bool { return c.Stats()[0].Open == 0 }, testPatience, 1e6)
}

func TestProtocolsAreThoseOfTheConfig(t *testing.T) {
	proto := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }
	two := httptest.NewUnstartedServer(http.HandlerFunc(proto))
	two.EnableHTTP2 = true
	two.StartTLS()
	t.Cleanup(two.Close)
	one := serveTLS(t, proto)
	only := func(set ...func(*http.Protocols)) *http.Protocols {
		p := new(http.Protocols)
		for _, f := range set {
			f(p)
		}
		return p
	}
	http1 := func(p *http.Protocols) { p.SetHTTP1(true) }
	http2 := func(p *http.Protocols) { p.SetHTTP2(true) }
	for _, k := range []struct {
		url       string
		protocols *http.Protocols
		want      string
	}{
		{two.URL, nil, "HTTP/2.0"}, {one, nil, "HTTP/1.1"}, {two.URL, only(http1), "HTTP/1.1"}, {two.URL, only(http2), "HTTP/2.0"}, {one, only(http2), ""},
	} {
		c := newClient(t, &Config{Connect: trusting(), Protocols: k.protocols})
		resp, err := c.Get(t.Context(), k.url)
		if k.want == "" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, k.want, got)
	}
}

func TestUpgradeGoesOverHTTP1(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.Header.Get("Upgrade"))
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := newClient(t, &Config{Connect: trusting()})
	resp, err := c.Do(t.Context(), &Request{URL: srv.URL, Header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}}})
	require.NoError(t, err)
	got, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 echo", got)
}

func TestFailedDialOfHTTP2FailsAllWhoWait(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	c := newClient(t, &Config{Connect: clients.Config{}})
	done := make(chan error)
	for range 20 {
		go func() {
			_, err := c.Get(t.Context(), "https://"+addr)
			done <- err
		}()
	}
	for range 20 {
		require.Error(t, <-done)
	}
}
