package httpc

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// The tests in this file cover problems reported for other clients.

// TestServersHintEndsAnIdleConnection checks that the connection is closed before a POST could cross with its end.
func TestServersHintEndsAnIdleConnection(t *testing.T) {
	for hint, after := range map[string]time.Duration{
		"timeout=5": 4 * time.Second, "timeout=5, max=100": 4 * time.Second, `max=1, Timeout = "5"`: 4 * time.Second,
		"timeout=1": 500 * time.Millisecond, "timeout=0": 0, "timeout=x": time.Minute, "timeout": time.Minute, "timeout=600": time.Minute,
	} {
		t.Run(hint, func(t *testing.T) {
			answer := strings.Replace(hello, "\r\n", "\r\nKeep-Alive: "+hint+"\r\n", 1)
			inBubble(t, Config{}, says(answer), func(t *testing.T, c *Client, accepted *atomic.Int64) {
				text(t, c, "http://a")
				if after > 0 {
					time.Sleep(after - 10*time.Millisecond)
					text(t, c, "http://a")
					require.EqualValues(t, 1, accepted.Load())
					time.Sleep(after + 10*time.Millisecond)
				}
				text(t, c, "http://a")
				require.EqualValues(t, 2, accepted.Load())
			})
		})
	}
}

// TestRedirectsGiveTheirConnectionsBack follows many redirects with one connection for each host.
func TestRedirectsGiveTheirConnectionsBack(t *testing.T) {
	to := serve(t, echo)
	from := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		http.Redirect(w, r, to, http.StatusFound)
		_, _ = io.WriteString(w, long(1<<10))
	})
	c := newClient(t, &Config{MaxPerHost: 1})
	for range 10 {
		status, _ := text(t, c, from)
		require.Equal(t, 200, status)
	}
	for _, s := range c.Stats() {
		require.EqualValues(t, 1, s.Dials)
	}
}

// TestTimeoutIsForAllRedirectsTogether uses a server that redirects endlessly.
func TestTimeoutIsForAllRedirectsTogether(t *testing.T) {
	inBubble(t, Config{Timeout: 10 * time.Second, MaxRedirects: 1 << 20}, func(nc net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			time.Sleep(time.Second)
			_, _ = io.WriteString(nc, "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
		}
	}, func(t *testing.T, c *Client, _ *atomic.Int64) {
		_, err := c.Get(t.Context(), "http://a")
		var late *TimeoutError
		require.ErrorAs(t, err, &late)
		require.Equal(t, PhaseTotal, late.Phase)
	})
}

// TestOfferOfAnotherProtocolIsNoSwitch uses a server that offers HTTP/2 in each response.
func TestOfferOfAnotherProtocolIsNoSwitch(t *testing.T) {
	s := raw(t, says(strings.Replace(hello, "\r\n", "\r\nUpgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive\r\n", 1)))
	c := newClient(t, nil)
	for range 3 {
		_, body := text(t, c, s.url)
		require.Equal(t, "hello", body)
	}
	require.Equal(t, 1, s.accepted())
}

// TestResponsesWithoutABodySayWhatTheyLike uses responses without a body that announce a length. The next one follows
// at once.
func TestResponsesWithoutABodySayWhatTheyLike(t *testing.T) {
	for name, k := range map[string]struct{ method, head string }{
		"HEAD in chunks":      {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"},
		"HEAD with a length":  {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n"},
		"HEAD without either": {"HEAD", "HTTP/1.1 200 OK\r\n\r\n"},
		"204 with a length":   {"GET", "HTTP/1.1 204 None\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n"},
		"204 in chunks":       {"DELETE", "HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n"},
		"304 with a length":   {"GET", "HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := raw(t, says(k.head))
			c := newClient(t, nil)
			for range 3 {
				resp, err := c.Do(t.Context(), &Request{Method: k.method, URL: s.url})
				require.NoError(t, err)
				body, err := resp.Bytes(t.Context())
				require.NoError(t, err)
				require.Empty(t, body)
			}
			require.Equal(t, 1, s.accepted())
		})
	}
}

// TestTunnelBeginsBehindTheHeadWhateverItSays uses proxies that frame a response without a body (RFC 9110 9.3.6).
func TestTunnelBeginsBehindTheHeadWhateverItSays(t *testing.T) {
	for name, fields := range map[string]string{
		"a length": "Content-Length: 5\r\n", "chunks": "Transfer-Encoding: chunked\r\n", "both": "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := raw(t, func(nc net.Conn, in *bufio.Reader) {
				if readRequest(in) == nil {
					return
				}
				_, _ = io.WriteString(nc, "HTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 Established\r\n"+fields+"\r\n")
				answersAnything(nc, in)
			})
			proxy, err := url.Parse(s.url)
			require.NoError(t, err)
			c := newClient(t, &Config{Proxy: http.ProxyURL(proxy), TunnelAlways: true})
			for range 2 {
				_, body := text(t, c, "http://a.example/")
				require.Equal(t, "hello", body)
			}
			require.Equal(t, 1, s.accepted())

			conn, err := newClient(t, nil).Connect(t.Context(), s.url, "a.example:80")
			require.NoError(t, err)
			require.NoError(t, conn.Out.Send(t.Context(), []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")))
			got, err := conn.In.Recv(t.Context())
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(got), "HTTP/1.1 200 OK"), "%q", got)
			conn.Abort(nil)
		})
	}
}

// TestAnswerBeforeTheBodyWasAskedForEndsTheConnection: the server may still wait for the body.
func TestAnswerBeforeTheBodyWasAskedForEndsTheConnection(t *testing.T) {
	for _, status := range []string{"200 OK", "401 No", "302 Found"} {
		s := raw(t, func(nc net.Conn, in *bufio.Reader) {
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				if r.Header.Get("Expect") != "" {
					_, _ = io.WriteString(nc, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
					_, _ = io.Copy(io.Discard, r.Body)
					continue
				}
				_, _ = io.WriteString(nc, hello)
			}
		})
		c := newClient(t, nil)
		resp, err := c.Do(t.Context(), &Request{URL: s.url, Body: Text("x"), Expect: true})
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		_, body := text(t, c, s.url)
		require.Equal(t, "hello", body)
		require.Equal(t, 2, s.accepted())
	}
}

// TestLocationsAsServersWriteThem includes values that are not valid URLs.
func TestLocationsAsServersWriteThem(t *testing.T) {
	for location, want := range map[string]string{
		"/a b":          "/a%20b",
		"/ä":            "/%C3%A4",
		"/\xe4":         "/%E4",
		"/x?q=ä b":      "/x?q=%C3%A4%20b",
		"/x?q=\xe4":     "/x?q=%E4",
		"/x?a=b|c{d}":   "/x?a=b|c{d}",
		"x/../y":        "/y",
		"?z":            "/first?z",
		"/%7Ea%2Fb#f":   "/%7Ea%2Fb",
		"  /trimmed  ":  "/trimmed",
		"/[x]":          "/[x]",
		"//HOST/double": "/double",
	} {
		t.Run(location, func(t *testing.T) {
			var host string
			s := raw(t, func(nc net.Conn, in *bufio.Reader) {
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					for field := line; err == nil && field != "\r\n"; field, err = in.ReadString('\n') {
						continue
					}
					if _, uri, _ := strings.Cut(line, " "); strings.HasPrefix(uri, "/first ") {
						_, _ = fmt.Fprintf(nc, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n", strings.Replace(location, "HOST", host, 1))
					} else {
						_, _ = fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nX-Target: %s\r\nContent-Length: 0\r\n\r\n", strings.Fields(uri)[0])
					}
				}
			})
			host = strings.TrimPrefix(s.url, "http://")
			for name, do := range bothClients {
				resp, err := do(t, newClient(t, nil), s.url+"/first", nil)
				require.NoError(t, err, name)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, want, resp.Header.Get("X-Target"), name)
			}
		})
	}
}

// TestServerThatGoesAwayNowAndThenIsSentEverythingOnce sends many requests that are not idempotent to a server that
// closes each connection after a hundred of them, as proxies do.
func TestServerThatGoesAwayNowAndThenIsSentEverythingOnce(t *testing.T) {
	const requests, each = 300, 100
	var done atomic.Int64
	serves := func(f *frames.Framer, id uint32) {
		last := uint32(2*each - 1)
		if id == last {
			_ = f.WriteGoAway(last, frames.ErrCodeNo, nil)
		}
		if id <= last {
			done.Add(1)
			answersHead(f, id)
		}
	}
	s := framed(t, []answer{serves})
	c := newClient(t, &Config{Protocols: h2c()})
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			resp, err := c.Post(t.Context(), s.url, Body{})
			if assert.NoError(t, err) {
				assert.NoError(t, resp.Close())
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, requests, done.Load())
	require.GreaterOrEqual(t, s.accepted(), requests/each)
}

// TestBodiesThatAreNotReadStopNoOther fills the windows of several HTTP/2 streams.
func TestBodiesThatAreNotReadStopNoOther(t *testing.T) {
	url := serveBoth(t, func(w http.ResponseWriter, r *http.Request) {
		n := 1 << 20
		if r.URL.Path == "/big" {
			n = 16 << 20
		}
		_, _ = w.Write(make([]byte, n))
	})
	c := newClient(t, &Config{Protocols: h2c()})
	for range 50 {
		resp, err := c.Get(t.Context(), url)
		require.NoError(t, err)
		_, err = resp.Body.Recv(t.Context())
		require.NoError(t, err)
		require.NoError(t, resp.Close())
	}
	resp, err := c.Get(t.Context(), url+"/big")
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, resp.Reader(t.Context()))
	require.NoError(t, err)
	require.EqualValues(t, 16<<20, n)
	require.EqualValues(t, 1, c.Stats()[0].Dials)
}

// serveBoth serves handler over HTTP/1 and HTTP/2 without TLS.
func serveBoth(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := h2c()
	p.SetHTTP1(true)
	srv := &http.Server{Handler: handler, Protocols: p}
	go func() { _ = srv.Serve(ln) }() // returns after Close
	t.Cleanup(func() { _ = srv.Close() })
	return "http://" + ln.Addr().String()
}

// TestSlowReaderIsNoSlowServer checks that the time between two reads does not count for BodyTimeout.
func TestSlowReaderIsNoSlowServer(t *testing.T) {
	inBubble(t, Config{BodyTimeout: time.Second}, func(nc net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			time.Sleep(time.Minute)
			_, _ = io.WriteString(nc, "world")
		}
	}, func(t *testing.T, c *Client, _ *atomic.Int64) {
		resp, err := c.Get(t.Context(), "http://a")
		require.NoError(t, err)
		one, err := resp.Body.Recv(t.Context())
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		two, err := resp.Body.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "helloworld", string(one)+string(two))
	})
}

// TestCookiesOfARedirectGoAlong checks that a cookie is sent to the next hop.
func TestCookiesOfARedirectGoAlong(t *testing.T) {
	url := serve(t, redirectWithCookie("/login", http.StatusSeeOther, &http.Cookie{Name: "session", Value: "s"}))
	resp, err := newClient(t, &Config{Jar: NewJar()}).Post(t.Context(), url+"/login", Form(Params{"a": "b"}, Style{}))
	require.NoError(t, err)
	got, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "session=s", got)
}

// TestUserInformationIsUnescaped checks the credentials that are sent.
func TestUserInformationIsUnescaped(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		_, _ = io.WriteString(w, user+"\n"+password)
	})
	_, got := text(t, newClient(t, nil), strings.Replace(url, "://", "://us%40er:p%3Aa%2Fs%25s%20@", 1))
	require.Equal(t, "us@er\np:a/s%s ", got)
}
