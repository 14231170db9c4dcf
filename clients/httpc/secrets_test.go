package httpc

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCredentialsForAProxyAreNotSentThroughATunnel sets Proxy-Authorization in requests. A proxy that forwards them, a
// server without a proxy before it, and one that opens another tunnel, receive the field.
func TestCredentialsForAProxyAreNotSentThroughATunnel(t *testing.T) {
	seen := make(chan string, 1)
	see := func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Proto + " " + r.Header.Get("Proxy-Authorization")
		w.WriteHeader(http.StatusNoContent)
	}
	plain, secure := serve(t, see), httptest.NewUnstartedServer(http.HandlerFunc(see))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	forwards, tunnels := serve(t, see), startProxy(t, false)
	http1, both := new(http.Protocols), new(http.Protocols)
	http1.SetHTTP1(true)
	both.SetHTTP1(true)
	both.SetHTTP2(true)
	for name, k := range map[string]struct {
		cfg       Config
		url, want string
	}{
		"a tunnel":              {Config{Proxy: via(t, tunnels.url), Protocols: http1}, secure.URL, "HTTP/1.1 "},
		"a tunnel for HTTP/2":   {Config{Proxy: via(t, tunnels.url), Protocols: both}, secure.URL, "HTTP/2.0 "},
		"a tunnel for http":     {Config{Proxy: via(t, tunnels.url), TunnelAlways: true}, plain, "HTTP/1.1 "},
		"a proxy that forwards": {Config{Proxy: via(t, forwards)}, plain, "HTTP/1.1 Basic c2VjcmV0"},
		"no proxy":              {Config{Proxy: Direct}, plain, "HTTP/1.1 Basic c2VjcmV0"},
	} {
		for _, field := range []string{"Proxy-Authorization", "proxy-authorization"} {
			t.Run(name+", "+field, func(t *testing.T) {
				k.cfg.Connect = trusting()
				r := newRequest(t, "GET", k.url, nil)
				r.Header[field] = []string{"Basic c2VjcmV0"}
				resp, err := newClient(t, &k.cfg).RoundTrip(r)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, k.want, <-seen)
			})
		}
	}
	c := newClient(t, &Config{Proxy: via(t, tunnels.url), TunnelAlways: true})
	resp, err := c.Do(t.Context(), &Request{
		Method: "CONNECT", URL: plain, Host: "far.example:443", Header: http.Header{"Proxy-Authorization": {"Basic c2VjcmV0"}},
	})
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	require.Equal(t, "HTTP/1.1 Basic c2VjcmV0", <-seen)
}
