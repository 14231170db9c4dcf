package httpc

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// resolverFunc adapts a function to a Resolver.
type resolverFunc func(host string) ([]netip.Addr, error)

func (f resolverFunc) LookupAddrs(_ context.Context, host string) ([]netip.Addr, error) {
	return f(host)
}

// TestPanicWhileDiallingIsTheErrorOfTheRequest uses user code that runs in the goroutine of a dial.
func TestPanicWhileDiallingIsTheErrorOfTheRequest(t *testing.T) {
	s := raw(t, says(hello))
	secure := strings.Replace(s.url, "http:", "https:", 1)
	for name, k := range map[string]struct {
		url   string
		cfg   Config
		trace httptrace.ClientTrace
	}{
		"Dial": {url: s.url, cfg: Config{Dial: func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) {
			panic("mine")
		}}},
		"resolver": {url: "http://a.example", cfg: Config{Connect: clients.Config{
			Resolver: resolverFunc(func(string) ([]netip.Addr, error) { panic("mine") }),
		}}},
		"ConnectStart":      {url: s.url, trace: httptrace.ClientTrace{ConnectStart: func(string, string) { panic("mine") }}},
		"TLSHandshakeStart": {url: secure, trace: httptrace.ClientTrace{TLSHandshakeStart: func() { panic("mine") }}},
		"TLSHandshakeDone": {url: secure, trace: httptrace.ClientTrace{
			TLSHandshakeDone: func(tls.ConnectionState, error) { panic("mine") },
		}},
		"Goexit": {url: s.url, cfg: Config{Dial: func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) {
			runtime.Goexit()
			return nil, nil
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			k.cfg.MaxPerHost = 1
			c := newClient(t, &k.cfg)
			for range 2 { // the second one is served too
				_, err := c.Get(httptrace.WithClientTrace(t.Context(), &k.trace), k.url)
				var panicked *chanio.PanicError
				require.ErrorAs(t, err, &panicked)
			}
			require.Zero(t, c.Stats()[0].Dialing)
		})
	}
}

// TestPanicOfAHookLeavesNoConnection uses hooks that run in the caller's goroutine, and a limit of one connection.
func TestPanicOfAHookLeavesNoConnection(t *testing.T) {
	for name, trace := range map[string]*httptrace.ClientTrace{
		"GotConn":              {GotConn: func(httptrace.GotConnInfo) { panic("mine") }},
		"WroteHeaderField":     {WroteHeaderField: func(string, []string) { panic("mine") }},
		"WroteHeaders":         {WroteHeaders: func() { panic("mine") }},
		"WroteRequest":         {WroteRequest: func(httptrace.WroteRequestInfo) { panic("mine") }},
		"GotFirstResponseByte": {GotFirstResponseByte: func() { panic("mine") }},
		"PutIdleConn":          {PutIdleConn: func(error) { panic("mine") }},
	} {
		t.Run("HTTP1/"+name, func(t *testing.T) {
			hookPanics(t, raw(t, says(hello)), &Config{MaxPerHost: 1}, trace)
		})
		if name == "PutIdleConn" {
			continue // called for HTTP/1 only
		}
		t.Run("HTTP2/"+name, func(t *testing.T) {
			hookPanics(t, framed(t, []answer{answers200}), &Config{MaxPerHost: 1, Protocols: h2c()}, trace)
		})
	}
}

func hookPanics(t *testing.T, s *rawServer, cfg *Config, trace *httptrace.ClientTrace) {
	c := newClient(t, cfg)
	body := recordClose(strings.NewReader("x"))
	require.PanicsWithValue(t, "mine", func() {
		r := newRequest(t, "POST", s.url, body)
		if trace.WroteRequest != nil { // called by the goroutine that sends a body
			r = newRequest(t, "GET", s.url, nil)
			_ = body.Close()
		}
		resp, err := c.RoundTrip(r.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		if err == nil { // PutIdleConn may be called after the body
			_ = resp.Body.Close()
		}
	})
	body.requireClosed(t)
	for range 2 {
		_, got := text(t, c, s.url)
		require.Equal(t, "hello", got)
	}
	c.t.pool.mu.Lock()
	defer c.t.pool.mu.Unlock()
	for m := range c.t.pool.alive {
		if m.inUse != 0 || m.h2.InFlight() != 0 {
			t.Error("the stream is not over")
		}
	}
}

// TestPanicOfAProxyFunctionIsTheCallers also covers Warm, whose goroutines do not call it.
func TestPanicOfAProxyFunctionIsTheCallers(t *testing.T) {
	c := newClient(t, &Config{Proxy: func(*http.Request) (*url.URL, error) { panic("mine") }})
	require.PanicsWithValue(t, "mine", func() { _ = c.Warm(t.Context(), "http://a.example", 2) })
	require.PanicsWithValue(t, "mine", func() { _, _ = c.Get(t.Context(), "http://a.example") })
}

// endsBy is a middleware that ends its goroutine.
type endsBy func()

func (f endsBy) RoundTrip(*http.Request) (*http.Response, error) {
	f()
	return nil, nil
}

func TestPanicOfMiddlewareFailsTheFuture(t *testing.T) {
	for name, f := range map[string]endsBy{"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, nil)
			c.Use(func(http.RoundTripper) http.RoundTripper { return f })
			answered := c.Go(t.Context(), &Request{URL: "http://a.example"})
			<-answered.Done()
			require.Error(t, answered.Err())
		})
	}
}
