package httpc

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// TestCookiesOfRFC6265 checks which cookies a request sends after a response has set some.
func TestCookiesOfRFC6265(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, line := range r.URL.Query()["set"] {
			w.Header().Add("Set-Cookie", line)
		}
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	})
	_, port, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
	for name, k := range map[string]struct {
		from string // host and path; "" means www.example.com/dir/page
		set  []string
		to   string // "" means from
		want string
	}{
		// 5.2
		"a pair":                  {set: []string{"a=b"}, want: "a=b"},
		"white space":             {set: []string{"  a  =  b  ; "}, want: "a=b"},
		"an equals sign":          {set: []string{"a=b=c"}, want: "a=b=c"},
		"an empty value":          {set: []string{"a="}, want: "a="},
		"no name":                 {set: []string{"=b"}, want: ""},
		"no equals sign":          {set: []string{"a"}, want: ""},
		"several":                 {set: []string{"a=1", "b=2"}, want: "a=1; b=2"},
		"the last one wins":       {set: []string{"a=1", "a=2"}, want: "a=2"},
		"names have a case":       {set: []string{"a=1", "A=2"}, want: "a=1; A=2"},
		"unknown attributes":      {set: []string{"a=b; foo=bar; baz"}, want: "a=b"},
		"HttpOnly":                {set: []string{"a=b; HttpOnly"}, want: "a=b"},
		"attributes in any case":  {set: []string{"a=b; PATH=/else"}, want: ""},
		"it stays where it is":    {set: []string{"a=1", "b=2", "a=3"}, want: "a=3; b=2"},
		"another request's order": {set: []string{"x=1; Path=/", "y=2; Path=/dir"}, want: "y=2; x=1"}, // 5.4: longer paths first

		// 5.2.1, 5.2.2
		"over":                    {set: []string{"a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}, want: ""},
		"later":                   {set: []string{"a=b; Expires=Fri, 01 Jan 2100 00:00:00 GMT"}, want: "a=b"},
		"malformed Expires":       {set: []string{"a=b; Expires=never"}, want: "a=b"},
		"deleted":                 {set: []string{"a=b", "a=; Max-Age=0"}, want: ""},
		"deleted in the past":     {set: []string{"a=b", "a=; Max-Age=-1"}, want: ""},
		"Max-Age":                 {set: []string{"a=b; Max-Age=1000"}, want: "a=b"},
		"Max-Age before Expires":  {set: []string{"a=b; Max-Age=1000; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}, want: "a=b"},
		"malformed Max-Age":       {set: []string{"a=b; Max-Age=1x"}, want: "a=b"},
		"deleted on another path": {set: []string{"a=b; Path=/dir", "a=; Max-Age=0; Path=/"}, want: "a=b"},

		// 5.2.3, 5.3, 5.1.3
		"for its host":              {set: []string{"a=b"}, to: "sub.www.example.com/dir/page", want: ""},
		"not for the one above":     {set: []string{"a=b"}, to: "example.com/dir/page", want: ""},
		"Domain":                    {set: []string{"a=b; Domain=example.com"}, to: "other.example.com/dir/page", want: "a=b"},
		"Domain itself":             {set: []string{"a=b; Domain=example.com"}, to: "example.com/dir/page", want: "a=b"},
		"Domain with a dot":         {set: []string{"a=b; Domain=.example.com"}, to: "other.example.com/dir/page", want: "a=b"},
		"Domain in capitals":        {set: []string{"a=b; Domain=EXAMPLE.com"}, to: "other.example.com/dir/page", want: "a=b"},
		"Domain of another":         {set: []string{"a=b; Domain=other.com"}, want: ""},
		"Domain below":              {set: []string{"a=b; Domain=sub.www.example.com"}, want: ""},
		"Domain that ends alike":    {set: []string{"a=b; Domain=ample.com"}, want: ""},
		"host that ends alike":      {set: []string{"a=b; Domain=example.com"}, to: "badexample.com/dir/page", want: ""},
		"public suffix":             {set: []string{"a=b; Domain=com"}, want: ""},
		"public suffix of two":      {from: "a.co.uk/", set: []string{"a=b; Domain=co.uk"}, to: "b.co.uk/", want: ""},
		"address":                   {from: "127.0.0.1/", set: []string{"a=b"}, want: "a=b"},
		"part of an address":        {from: "127.0.0.1/", set: []string{"a=b; Domain=0.0.1"}, want: ""},
		"ports are not told apart":  {set: []string{"a=b"}, want: "a=b"}, // 8.5
		"empty Domain":              {set: []string{"a=b; Domain="}, want: "a=b"},
		"host-only beside a domain": {set: []string{"a=1; Domain=example.com", "b=2"}, to: "other.example.com/dir/page", want: "a=1"},

		// 5.1.4, 5.2.4
		"the directory":             {set: []string{"a=b"}, to: "www.example.com/dir/other", want: "a=b"},
		"below the directory":       {set: []string{"a=b"}, to: "www.example.com/dir/sub/other", want: "a=b"},
		"outside of it":             {set: []string{"a=b"}, to: "www.example.com/other", want: ""},
		"a path that begins so":     {set: []string{"a=b"}, to: "www.example.com/directory", want: ""},
		"Path":                      {set: []string{"a=b; Path=/"}, to: "www.example.com/other", want: "a=b"},
		"Path with a slash":         {set: []string{"a=b; Path=/dir/"}, to: "www.example.com/dir/other", want: "a=b"},
		"Path, not its parent":      {set: []string{"a=b; Path=/dir/"}, to: "www.example.com/dir", want: ""},
		"Path that is not absolute": {set: []string{"a=b; Path=dir"}, want: "a=b"},
		"Path of somewhere else":    {set: []string{"a=b; Path=/other"}, to: "www.example.com/other", want: "a=b"},
		"same name, two paths":      {set: []string{"a=1; Path=/", "a=2; Path=/dir"}, want: "a=2; a=1"},
		"Secure goes not in clear":  {set: []string{"a=b; Secure"}, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, &Config{Jar: NewJar(), Dial: dialLoopback})
			at := func(where string) string {
				if where == "" {
					where = "www.example.com/dir/page"
				}
				host, path, _ := strings.Cut(where, "/")
				return "http://" + host + ":" + port + "/" + path
			}
			text(t, c, at(k.from)+"?"+url.Values{"set": k.set}.Encode())
			if k.to == "" {
				k.to = k.from
			}
			_, got := text(t, c, at(k.to))
			require.Equal(t, k.want, got)
		})
	}
}

// TestPrefixesOfCookiesAreObeyed checks the rules of RFC 6265bis 4.1.3, with Do and with an http.Client.
func TestPrefixesOfCookiesAreObeyed(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = r.URL.Query()["set"]
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	}
	plain, secure := serve(t, handler), serveTLS(t, handler)
	for set, want := range map[string]struct{ plain, secure bool }{
		"__Secure-a=b; Secure":                         {false, true},
		"__Secure-a=b":                                 {false, false},
		"__secure-a=b":                                 {false, false},
		"__Secure-a=b; Secure; Path=/x/..":             {false, false}, // for another path
		"__Host-a=b; Secure; Path=/":                   {false, true},
		"__Host-a=b; Path=/":                           {false, false},
		"__Host-a=b; Secure":                           {false, false},
		"__Host-a=b; Secure; Path=/x":                  {false, false},
		"__Host-a=b; Secure; Path=/; Domain=127.0.0.1": {false, false},
		"__hOsT-a=b; Path=/":                           {false, false},
		"__Secure-=b":                                  {false, false},
		"__Host-=b; Secure; Path=/":                    {false, true},
		"_Host-a=b":                                    {true, true},
		"__Host=b":                                     {true, true},
		"x__Host-a=b":                                  {true, true},
	} {
		for base, want := range map[string]bool{plain: want.plain, secure: want.secure} {
			c := newClient(t, &Config{Jar: NewJar(), Connect: trusting()})
			text(t, c, base+"/?"+url.Values{"set": {set}}.Encode())
			_, got := text(t, c, base+"/")
			require.Equal(t, want, got != "", "%s from %s", set, base)

			c = newClient(t, &Config{Jar: NewJar(), Connect: trusting()})
			for _, to := range []string{base + "/?" + url.Values{"set": {set}}.Encode(), base + "/"} {
				resp, err := c.HTTP().Get(to)
				require.NoError(t, err)
				got, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, want && to == base+"/", len(got) > 0, "%s from %s", set, base)
			}
		}
	}
}

// TestCookieOfARedirectIsSentToWhereItLeads uses a cookie that is set by the redirect itself.
func TestCookieOfARedirectIsSentToWhereItLeads(t *testing.T) {
	base := serve(t, redirectWithCookie("/", http.StatusFound, &http.Cookie{Name: "a", Value: "b"}))
	c := newClient(t, &Config{Jar: NewJar()})
	_, got := text(t, c, base)
	require.Equal(t, "a=b", got)
}

// redirectWithCookie redirects requests for path and sets the cookie. It answers other requests with their cookies.
func redirectWithCookie(path string, status int, cookie *http.Cookie) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			http.SetCookie(w, cookie)
			http.Redirect(w, r, "/next", status)
			return
		}
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	}
}

// TestGoAwayAfterHalfOfThePosts uses a server that answers half of the requests and excludes the rest by GOAWAY. The
// rest is sent again once, and no other request is.
func TestGoAwayAfterHalfOfThePosts(t *testing.T) {
	const n = 10
	for name, steps := range map[string][]uint32{"at once": nil, "in two steps": {1<<31 - 1}} {
		t.Run(name, func(t *testing.T) {
			var ids []uint32
			first := func(f *frames.Framer, id uint32) {
				if ids = append(ids, id); len(ids) < n {
					return
				}
				for _, last := range steps {
					_ = f.WriteGoAway(last, frames.ErrCodeNo, nil)
				}
				_ = f.WriteGoAway(ids[n/2-1], frames.ErrCodeNo, nil)
				for _, id := range ids[:n/2] {
					answers200(f, id)
				}
			}
			var mu sync.Mutex
			again := 0
			s := framed(t, []func(*frames.Framer, uint32){first}, []func(*frames.Framer, uint32){func(f *frames.Framer, id uint32) {
				mu.Lock()
				again++
				mu.Unlock()
				answers200(f, id)
			}})
			c := newClient(t, &Config{Protocols: h2c()})
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					resp, err := c.Post(t.Context(), s.url, Bytes(bytes.Repeat([]byte{'x'}, i)))
					if err != nil {
						t.Error(err)
						return
					}
					if got, err := resp.Text(t.Context()); err != nil || got != "hello" {
						t.Error(got, err)
					}
				})
			}
			wg.Wait()
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, n/2, again)
			require.Equal(t, 2, s.accepted())
		})
	}
}

// TestGoAwayAndCloseRepeatsNoPost uses a server that may have acted on the requests before it closes the connection.
func TestGoAwayAndCloseRepeatsNoPost(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		_, _ = io.ReadFull(in, make([]byte, len(frames.ClientPreface)))
		f := frames.NewFramer(nc, in)
		_ = f.WriteSettings()
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			if d, ok := frame.(*frames.DataFrame); ok {
				_ = f.WriteGoAway(d.StreamID, frames.ErrCodeInternal, []byte("broken"))
				_ = nc.(*net.TCPConn).CloseWrite()
			}
		}
	})
	_, err := newClient(t, &Config{Protocols: h2c()}).Post(t.Context(), s.url, Text("x"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "broken")
	require.Equal(t, 1, s.accepted())
}

// TestCookiesBelongToTheHostOfARequest sends requests for several hosts to one address.
func TestCookiesBelongToTheHostOfARequest(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/set" {
			w.Header().Add("Set-Cookie", "of="+r.Host)
			w.Header().Add("Set-Cookie", "domain=example.com; Domain=example.com")
			w.Header().Set("Location", "/")
			w.WriteHeader(http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	})
	for name, ask := range map[string]func(c *Client, host, path string) (string, error){
		"Do": func(c *Client, host, path string) (string, error) {
			resp, err := c.Do(t.Context(), &Request{URL: base + path, Host: host})
			if err != nil {
				return "", err
			}
			return resp.Text(t.Context())
		},
		"HTTP": func(c *Client, host, path string) (string, error) {
			r := newRequest(t, http.MethodGet, base+path, nil)
			r.Host = host
			resp, err := c.HTTP().Do(r)
			if err != nil {
				return "", err
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			return string(body), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, &Config{Jar: NewJar()})
			for _, k := range []struct{ host, path, want string }{
				{"a.example.com", "/set", "of=a.example.com; domain=example.com"},
				{"a.example.com:1", "/", "of=a.example.com; domain=example.com"},
				{"b.example.com", "/", "domain=example.com"},
				{"other.example", "/", ""},
				{"", "/", ""},
			} {
				got, err := ask(c, k.host, k.path)
				require.NoError(t, err)
				require.Equal(t, k.want, got, k.host)
			}
		})
	}
}
