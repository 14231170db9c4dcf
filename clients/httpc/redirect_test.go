package httpc

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// secrets are fields that must not reach another origin.
var secrets = http.Header{
	"Authorization": {"Basic x"}, "Cookie": {"a=b"}, "Referer": {"http://secret"}, "X-Api-Key": {"k"}, "X-Plain": {"p"},
	"Proxy-Authorization": {"Basic y"},
}

// redirecting redirects requests with a query "to" there, and returns the fields of other requests.
func redirecting(w http.ResponseWriter, r *http.Request) {
	if to := r.URL.Query().Get("to"); to != "" {
		w.Header().Set("Location", to)
		w.WriteHeader(map[string]int{"/301": 301, "/302": 302, "/303": 303, "/307": 307, "/308": 308, "": 302, "/": 302}[r.URL.Path])
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Method", r.Method)
	for name := range secrets {
		w.Header().Set("Got-"+name, r.Header.Get(name))
	}
	w.Header().Set("Got-Type", r.Header.Get("Content-Type"))
	_, _ = w.Write(body)
}

// bothClients are the two ways to follow redirects: Do and an http.Client.
var bothClients = map[string]func(t *testing.T, c *Client, url string, h http.Header) (*http.Response, error){
	"Do": func(t *testing.T, c *Client, url string, h http.Header) (*http.Response, error) {
		r, err := c.Do(t.Context(), &Request{URL: url, Header: h})
		if err != nil {
			return nil, err
		}
		return r.HTTP(), nil
	},
	"http.Client": func(t *testing.T, c *Client, url string, h http.Header) (*http.Response, error) {
		r := newRequest(t, "GET", url, nil)
		r.Header = h.Clone()
		return c.HTTP().Do(r)
	},
}

func TestSecretsStayWithTheirOriginForTheRestOfTheChain(t *testing.T) {
	a, b := serve(t, redirecting), serve(t, redirecting)
	local := strings.Replace(a, "127.0.0.1", "localhost", 1)
	for name, do := range bothClients {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, &Config{SensitiveHeaders: []string{"x-api-key"}})
			for way, want := range map[string]bool{
				a:                             true,
				a + "?to=/x":                  true,
				a + "?to=" + a + "/x":         true,
				a + "?to=" + b:                false, // another port
				a + "?to=" + local:            false, // another host
				a + "?to=" + b + "%3Fto=" + a: false, // and back
				a + "?to=/%3Fto=" + b + "/":   false,
				a + "?to=http://u:p@" + b[7:]: false,
				a + "?to=http://127.0.0.1:" + strings.Split(a, ":")[2] + "/": true,
			} {
				resp, err := do(t, c, way, secrets)
				require.NoError(t, err, way)
				require.NoError(t, resp.Body.Close())
				for name, v := range secrets {
					if want || name == "X-Plain" {
						require.Equal(t, v[0], resp.Header.Get("Got-"+name), "%s %s", way, name)
					} else {
						require.Empty(t, resp.Header.Get("Got-"+name), "%s %s", way, name)
					}
				}
			}
		})
	}
}

func TestCredentialsOfTheURLAndOfTheConfigStayToo(t *testing.T) {
	a, b := serve(t, redirecting), serve(t, redirecting)
	withUser := strings.Replace(a, "http://", "http://me:pa:ss@", 1)
	for name, do := range bothClients {
		c := newClient(t, nil)
		resp, err := do(t, c, withUser+"?to=/x", nil)
		require.NoError(t, err)
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": {resp.Header.Get("Got-Authorization")}}}).BasicAuth()
		if name == "Do" { // http.Client drops it
			require.Equal(t, "me pa:ss", user+" "+password, "split at the first colon")
		}
		resp, err = do(t, c, withUser+"?to="+b, nil)
		require.NoError(t, err)
		require.Empty(t, resp.Header.Get("Got-Authorization"), name)
	}
	c := newClient(t, &Config{Auth: Bearer("t")})
	for to, want := range map[string]string{"/x": "Bearer t", b: ""} {
		resp, err := c.Get(t.Context(), a+"?to="+to)
		require.NoError(t, err)
		require.Equal(t, want, resp.Header.Get("Got-Authorization"))
		require.NoError(t, resp.Close())
	}
}

func TestRedirectsThatAreRefused(t *testing.T) {
	a := serve(t, redirecting)
	secure := serveTLS(t, redirecting)
	for name, do := range bothClients {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, &Config{Connect: trusting()})
			for _, way := range []string{
				secure + "?to=" + a, a + "?to=ftp://a/b", a + "?to=http%2Bunix:/run/x.sock:/", a + "?to=file:///etc/passwd", a + "?to=%25zz",
			} {
				_, err := do(t, c, way, nil)
				require.Error(t, err, way)
				if !strings.Contains(way, "zz") {
					var refused *RedirectError
					require.ErrorAs(t, err, &refused, way)
				}
			}
			allowed := newClient(t, &Config{Connect: trusting(), AllowDowngrade: true})
			resp, err := do(t, allowed, secure+"?to="+a, nil)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		})
	}
}

func TestErrorAfterARedirectNamesTheRequestThatFailed(t *testing.T) {
	broken := raw(t, says("no response\r\n\r\n"))
	a := serve(t, redirecting)
	resp, err := newClient(t, nil).Do(t.Context(), &Request{Method: "POST", URL: a + "/303?to=" + broken.url + "/next"})
	require.Nil(t, resp)
	var failed *url.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, broken.url+"/next", failed.URL)
	require.Equal(t, "GET", failed.Op)
}

func TestNumberOfRedirectsIsBounded(t *testing.T) {
	n := 0
	a := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	for name, do := range bothClients {
		n = 0
		_, err := do(t, newClient(t, nil), a, nil)
		var refused *RedirectError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 11, n, name)

		n = 0
		resp, err := do(t, newClient(t, &Config{MaxRedirects: -1}), a, nil)
		require.NoError(t, err)
		require.Equal(t, 302, resp.StatusCode)
		require.Equal(t, 1, n)
	}
}

func TestMethodAndBodyAfterARedirect(t *testing.T) {
	a := serve(t, redirecting)
	c := newClient(t, nil)
	for _, k := range []struct{ path, method, want string }{
		{"/301", "POST", "GET"}, {"/302", "POST", "GET"}, {"/303", "POST", "GET"}, {"/307", "POST", "POST"}, {"/308", "POST", "POST"},
		{"/301", "PUT", "PUT"}, {"/302", "PUT", "PUT"}, {"/303", "PUT", "GET"}, {"/307", "PUT", "PUT"},
		{"/303", "HEAD", "HEAD"}, {"/302", "HEAD", "HEAD"}, {"/302", "DELETE", "DELETE"}, {"/303", "DELETE", "GET"},
	} {
		r := Request{Method: k.method, URL: a + k.path + "?to=/x"}
		if k.method[0] == 'P' {
			r.Body = Text("hello")
		}
		resp, err := c.Do(t.Context(), &r)
		require.NoError(t, err)
		body, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, k.want, resp.Header.Get("X-Method"), "%v", k)
		if k.want[0] == 'P' {
			require.Equal(t, "hello text/plain; charset=utf-8", body+" "+resp.Header.Get("Got-Type"), "%v", k)
		} else {
			require.Equal(t, "", body+resp.Header.Get("Got-Type"), "%v", k)
		}
		require.Len(t, resp.History, 1)
		require.Equal(t, k.path, resp.History[0].URL.Path)
		require.Equal(t, "/x", resp.URL.Path)
	}
	resp, err := c.Post(t.Context(), a+"/307?to=/x", Reader(readerOf("once"), -1))
	require.NoError(t, err)
	require.Equal(t, 307, resp.Status, "a body that is gone cannot follow")
	require.NoError(t, resp.Close())
}

// TestBodyOfARedirectIsNotWaitedFor uses a server that stalls after the head of a redirect, of a status to retry, and
// of a challenge.
func TestBodyOfARedirectIsNotWaitedFor(t *testing.T) {
	for name, k := range map[string]struct {
		answer string
		r      Request
	}{
		"redirect":  {"HTTP/1.1 302 Found\r\nLocation: /x\r\n", Request{}},
		"retry":     {"HTTP/1.1 503 Busy\r\n", Request{Retry: &RetryPolicy{First: 1}}},
		"challenge": {"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=r, nonce=n\r\n", Request{Auth: Digest("a", "b")}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(nc net.Conn, in *bufio.Reader) {
				r := readRequest(in)
				if r != nil && r.URL.Path == "/" && r.Header.Get("Authorization") == "" {
					_, _ = io.WriteString(nc, k.answer+"Content-Length: 10\r\n\r\nabc")
					time.Sleep(time.Minute)
					return
				}
				_, _ = io.WriteString(nc, hello)
			}, func(t *testing.T, c *Client, accepted *atomic.Int64) {
				start := time.Now()
				k.r.URL = "http://a/"
				if name == "retry" {
					k.r.Retry.If = func(resp *http.Response, _ error) bool {
						k.r.Retry.If = func(*http.Response, error) bool { return false }
						return true
					}
				}
				resp, err := c.Do(t.Context(), &k.r)
				require.NoError(t, err)
				require.Less(t, time.Since(start), time.Second)
				require.NoError(t, resp.Close())
				require.EqualValues(t, 2, accepted.Load())
			})
		})
	}
}
