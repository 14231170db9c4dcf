package httpc

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTraceOfAnInvitation checks that Got100Continue is called before Got1xxResponse on HTTP/1.1 and after it on
// HTTP/2, and that PutIdleConn is not called on HTTP/2, as in net/http's Transport.
func TestTraceOfAnInvitation(t *testing.T) {
	for name, want := range map[string][]string{
		"HTTP/1.1": {"100", "1xx", "idle"},
		"HTTP/2.0": {"1xx", "100"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(echo))
			both := new(http.Protocols)
			both.SetHTTP1(true)
			both.SetUnencryptedHTTP2(true)
			srv.Config.Protocols = both
			srv.Start()
			t.Cleanup(srv.Close)
			one := new(http.Protocols)
			one.SetHTTP1(name == "HTTP/1.1")
			one.SetUnencryptedHTTP2(name == "HTTP/2.0")
			c := newClient(t, &Config{Protocols: one, ExpectTimeout: testPatience})
			var mu sync.Mutex
			var seen []string
			note := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, what)
			}
			r := newRequest(t, http.MethodPost, srv.URL, strings.NewReader("hello"))
			r.Header.Set("Expect", "100-continue")
			resp, err := c.RoundTrip(r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got100Continue: func() { note("100") },
				Got1xxResponse: func(int, textproto.MIMEHeader) error { note("1xx"); return nil },
				PutIdleConn:    func(error) { note("idle") },
			})))
			require.NoError(t, err)
			require.Equal(t, name, resp.Proto)
			_, err = io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, want, seen)
		})
	}
}

// TestTraceTellsWhichStreamsShareAConnection checks GotConnInfo over HTTP/2.
func TestTraceTellsWhichStreamsShareAConnection(t *testing.T) {
	hold := make(chan struct{})
	url := serveBoth(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			_ = http.NewResponseController(w).Flush()
			<-hold
		}
	})
	c := newClient(t, &Config{Protocols: h2c()})
	got := func(path string) (*http.Response, httptrace.GotConnInfo) {
		var info httptrace.GotConnInfo
		r := newRequest(t, "GET", url+path, nil)
		trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { info = i }}
		resp, err := c.RoundTrip(r.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		require.NoError(t, err)
		require.NotNil(t, info.Conn)
		return resp, info
	}
	held, info := got("/hold")
	require.False(t, info.Reused)
	require.False(t, info.WasIdle)
	require.Zero(t, info.IdleTime)
	_, info = got("/")
	require.True(t, info.Reused)
	require.False(t, info.WasIdle, "the first request is still in progress")
	close(hold)
	_, err := io.ReadAll(held.Body)
	require.NoError(t, err)
	_, info = got("/")
	require.True(t, info.Reused)
	require.True(t, info.WasIdle)
}

// TestTimingOfARedirectIsThatOfItsLastHop follows a redirect over the connection that the first hop dialled.
func TestTimingOfARedirectIsThatOfItsLastHop(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/to", http.StatusFound)
		}
	})
	c := newClient(t, nil)
	resp, err := c.Do(t.Context(), &Request{URL: base + "/", Timing: true})
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	got := resp.Timing()
	require.True(t, got.Reused)
	require.Zero(t, got.Dial, "of the first hop")
	require.NotZero(t, got.Total)
}
