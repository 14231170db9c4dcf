package httpc

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// redirectFields are the fields of the redirected request, grouped by how they are treated.
var redirectFields = struct{ content, secret, plain []string }{
	content: []string{
		"Content-Type", "Content-Language", "Content-Location", "Content-Encoding", "Content-Md5", "Content-Digest", "Content-Range",
		"Digest", "Repr-Digest", "Last-Modified",
	},
	secret: []string{"Authorization", "Proxy-Authorization", "Cookie", "Referer", "X-Api-Key", "authorization", "COOKIE", "x-api-key"},
	plain:  []string{"Accept", "Accept-Language", "If-None-Match", "Origin", "User-Agent", "X-Request-Id"},
}

// showRequest answers requests for /N with a redirect of status N to its query, and returns other requests as text.
func showRequest(w http.ResponseWriter, r *http.Request) {
	if status, err := strconv.Atoi(r.URL.Path[1:]); err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", r.URL.RawQuery)
		w.WriteHeader(status)
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Body", string(body))
	w.Header().Set("X-Length", strconv.FormatInt(r.ContentLength, 10))
	w.Header().Set("X-Host", r.Host)
	for name, values := range r.Header {
		w.Header()["Got-"+name] = values
	}
}

// TestRedirectsByMethodStatusBodyAndOrigin checks what is sent after a redirect, by the rules of RFC 9110 15.4.
func TestRedirectsByMethodStatusBodyAndOrigin(t *testing.T) {
	a, b := serve(t, showRequest), serve(t, showRequest)
	c := newClient(t, &Config{SensitiveHeaders: []string{"X-API-Key"}})
	bodies := map[string]func() Body{
		"none": func() Body { return Body{} },
		"text": func() Body { return Text("hello") },
		"once": func() Body { return Reader(readerOf("hello"), -1) },
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"} {
		for _, status := range []int{301, 302, 303, 307, 308, 300, 304, 305, 306, 309} {
			for kind, body := range bodies {
				for _, to := range []string{"/shown", a + "/shown", b + "/shown"} {
					row := fmt.Sprint(method, " ", status, " body ", kind, " ", strings.Replace(to, b, "other", 1))
					if method == "HEAD" && kind != "none" {
						continue
					}
					h := http.Header{}
					for _, name := range redirectFields.content {
						h[name] = []string{"c"}
					}
					for _, name := range redirectFields.secret {
						h[name] = []string{"s=" + name}
					}
					for _, name := range redirectFields.plain {
						h[name] = []string{"p"}
					}
					r := Request{Method: method, URL: fmt.Sprint(a, "/", status, "?", to), Header: h, Host: "chosen", Body: body()}
					resp, err := c.Do(t.Context(), &r)
					require.NoError(t, err, row)
					_, err = resp.Text(t.Context())
					require.NoError(t, err, row)
					requireRedirected(t, row, resp, method, status, kind, strings.HasPrefix(to, b))
				}
			}
		}
	}
}

func requireRedirected(t *testing.T, row string, resp *Response, method string, status int, kind string, crosses bool) {
	t.Helper()
	want, keeps := method, true
	switch {
	case status == 303:
		keeps = false
		if method != "HEAD" {
			want = "GET"
		}
	case status <= 302 && method == "POST":
		want, keeps = "GET", false
	}
	follows := status >= 301 && status <= 303 || status == 307 || status == 308
	if !follows || keeps && kind == "once" {
		require.Equal(t, status, resp.Status, row)
		require.Empty(t, resp.History, row)
		return
	}
	require.Equal(t, 200, resp.Status, row)
	require.Len(t, resp.History, 1, row)
	require.Equal(t, want, resp.Header.Get("X-Method"), row)
	content := ""
	if keeps && kind == "text" {
		content = "hello"
	}
	require.Equal(t, content, resp.Header.Get("X-Body"), row)
	require.Equal(t, strconv.Itoa(len(content)), resp.Header.Get("X-Length"), row)
	require.Equal(t, !crosses, resp.Header.Get("X-Host") == "chosen", row)
	got := func(name string) bool { return resp.Header["Got-"+http.CanonicalHeaderKey(name)] != nil }
	for _, name := range redirectFields.content {
		require.Equal(t, keeps, got(name), "%s: %s", row, name)
	}
	for _, name := range redirectFields.secret {
		require.Equal(t, !crosses, got(name), "%s: %s", row, name)
	}
	for _, name := range redirectFields.plain {
		require.True(t, got(name), "%s: %s", row, name)
	}
}

// TestFieldsOfTheBodyEndWithItInAnHTTPClientToo checks that CheckRedirect drops fields that net/http keeps.
func TestFieldsOfTheBodyEndWithItInAnHTTPClientToo(t *testing.T) {
	a, b := serve(t, showRequest), serve(t, showRequest)
	c := newClient(t, &Config{SensitiveHeaders: []string{"X-API-Key"}}).HTTP()
	for _, to := range []string{a, b} {
		for status, keeps := range map[string]bool{"/301": false, "/302": false, "/303": false, "/307": true, "/308": true} {
			r := newRequest(t, "POST", a+status+"?"+to+"/shown", strings.NewReader("hello"))
			r.Header = http.Header{"Content-Language": {"c"}, "Repr-Digest": {"c"}, "x-api-key": {"s"}, "authorization": {"s"}, "X-Plain": {"p"}}
			resp, err := c.Do(r)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, keeps, resp.Header.Get("X-Method") == "POST")
			require.Equal(t, keeps, resp.Header.Get("Got-Content-Language") != "", status)
			require.Equal(t, keeps, resp.Header.Get("Got-Repr-Digest") != "", status)
			require.Equal(t, to == a, resp.Header.Get("Got-X-Api-Key") != "", status)
			require.Equal(t, to == a, resp.Header.Get("Got-Authorization") != "", status)
			require.Equal(t, "p", resp.Header.Get("Got-X-Plain"))
		}
	}
}

// TestFieldsOfTheBodyStayAwayOnLaterRedirects allows for net/http copying the fields of the first request each time.
func TestFieldsOfTheBodyStayAwayOnLaterRedirects(t *testing.T) {
	a := serve(t, showRequest)
	c := newClient(t, nil).HTTP()
	for _, path := range []string{"/302?/302?/shown", "/303?/307?/shown"} {
		r := newRequest(t, "POST", a+path, strings.NewReader("hello"))
		r.Header = http.Header{"Content-Type": {"text/plain"}, "Content-Language": {"c"}, "Repr-Digest": {"c"}, "Last-Modified": {"c"}}
		resp, err := c.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "GET", resp.Header.Get("X-Method"))
		for name := range r.Header {
			require.Empty(t, resp.Header.Get("Got-"+name), "%s %s", path, name)
		}
	}
}
