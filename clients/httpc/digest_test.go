package httpc

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDigestOfRFC7616 is the example of RFC 7616 3.9.1.
func TestDigestOfRFC7616(t *testing.T) {
	d := &digest{user: "Mufasa", password: "Circle of Life"}
	for algorithm, want := range map[string]string{
		"SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
		"MD5":     "8ca523f5e9506fed4657c9700eebdbec",
	} {
		c := newChallenge(parseChallenges(`Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=` + algorithm +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)[0])
		c.count = 1
		got := d.answer(c, "GET", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
		require.Contains(t, got, `response="`+want+`"`)
		require.Contains(t, got, "nc=00000001")
	}
}

// digestServer requires the password "pass" by the given algorithms, and counts requests.
func digestServer(t *testing.T, n *int, challenges ...string) string {
	return serve(t, digestHandler(n, challenges...))
}

func digestHandler(n *int, challenges ...string) http.HandlerFunc {
	sum := func(h hash.Hash, s string) string { _, _ = io.WriteString(h, s); return hex.EncodeToString(h.Sum(nil)) }
	return func(w http.ResponseWriter, r *http.Request) {
		*n++
		for _, p := range parseChallenges(r.Header.Get("Authorization")) {
			fresh := md5.New
			if p["algorithm"] == "SHA-256" {
				fresh = sha256.New
			}
			secret := sum(fresh(), p["username"]+":"+p["realm"]+":pass")
			about := sum(fresh(), r.Method+":"+p["uri"])
			want := sum(fresh(), strings.Join([]string{secret, p["nonce"], p["nc"], p["cnonce"], "auth", about}, ":"))
			if p["response"] == want && p["uri"] == r.RequestURI {
				fmt.Fprintf(w, "%s %s", p["algorithm"], p["nc"])
				return
			}
		}
		w.Header()["Www-Authenticate"] = challenges
		w.WriteHeader(401)
	}
}

func TestDigestTakesTheBestAndTriesOnce(t *testing.T) {
	n := 0
	all := []string{`Basic realm="x"`, `Digest realm="x", nonce="n", qop="auth"`, `Digest realm="x", nonce="m", qop="auth", algorithm=SHA-256`}
	base := digestServer(t, &n, all...)
	c := newClient(t, &Config{Auth: Digest("me", "pass")})
	for i := range 2 {
		resp, err := c.Post(t.Context(), base+"/a?b", Text("x"))
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("SHA-256 %08x", i+1), got)
	}
	require.Equal(t, 3, n, "the second request knows the challenge")
	require.EqualValues(t, 1, c.Stats()[0].Dials, "the challenge is read to its end")

	n = 0
	wrong := newClient(t, &Config{Auth: Digest("me", "wrong")})
	status, _ := text(t, wrong, base)
	require.Equal(t, 401, status)
	require.Equal(t, 2, n)

	for _, challenge := range []string{`Basic realm="x"`, `Digest realm="x", nonce="n", algorithm=SHA-512-256`, `Digest realm="x", nonce="n", qop="auth-int"`} {
		n = 0
		status, _ = text(t, newClient(t, &Config{Auth: Digest("me", "pass")}), digestServer(t, &n, challenge))
		require.Equal(t, 401, status)
		require.Equal(t, 1, n, challenge)
	}
}

func TestBasicAndTokens(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Authorization")) })
	for want, auth := range map[string]Auth{"Basic bWU6cGE6c3M=": Basic("me", "pa:ss"), "Bearer t": Bearer("t")} {
		resp, err := newClient(t, nil).Do(t.Context(), &Request{URL: base, Auth: auth})
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, failing := range []Auth{
		TokenSource(func(context.Context) (string, error) { return "t", errAny }),
		authFunc(func(*http.Request) error { return errAny }),
	} {
		body := recordClose(strings.NewReader("x"))
		_, err := newClient(t, nil).Do(t.Context(), &Request{URL: base, Auth: failing, Body: Reader(body, 1)})
		require.ErrorIs(t, err, errAny)
		body.requireClosed(t)
	}
}

// TestDigestOverAUnixSocket checks that the credentials are for the request target that the server sees.
func TestDigestOverAUnixSocket(t *testing.T) {
	dir := t.TempDir()
	c := newClient(t, &Config{Auth: Digest("me", "pass")})
	for _, name := range []string{"one", "two"} {
		n := 0
		path := filepath.Join(dir, name)
		ln, err := net.Listen("unix", path)
		require.NoError(t, err)
		srv := &http.Server{Handler: digestHandler(&n, `Digest realm="x", nonce="`+name+`", qop="auth"`)}
		go func() { _ = srv.Serve(ln) }() // returns after Close
		t.Cleanup(func() { _ = srv.Close() })
		for i := range 2 {
			status, got := text(t, c, "http+unix:"+path+":/a%20b?c=d")
			require.Equal(t, 200, status)
			require.Equal(t, fmt.Sprintf("MD5 %08x", i+1), got)
		}
		require.Equal(t, 3, n, "each socket has its own challenge")
	}
}

// TestDigestAnswersANewNonce uses a server that has forgotten the nonce of earlier requests, and does or does not say so.
func TestDigestAnswersANewNonce(t *testing.T) {
	for name, k := range map[string]struct {
		next   string // parameters of the second challenge
		status int
		asked  int // requests after the change
	}{
		"another nonce":        {`nonce="b"`, 200, 2},
		"another nonce, stale": {`nonce="b", stale=true`, 200, 2},
		"the same nonce":       {`nonce="a"`, 401, 1},
	} {
		t.Run(name, func(t *testing.T) {
			n, nonce := 0, ""
			challenge := `Digest realm="x", nonce="a", qop="auth"`
			base := serve(t, func(w http.ResponseWriter, r *http.Request) {
				for _, p := range parseChallenges(r.Header.Get("Authorization")) {
					if nonce == "" || p["nonce"] == nonce {
						nonce = p["nonce"]
						return
					}
				}
				n++
				w.Header().Set("WWW-Authenticate", challenge)
				w.WriteHeader(401)
			})
			c := newClient(t, &Config{Auth: Digest("me", "pass")})
			status, _ := text(t, c, base)
			require.Equal(t, 200, status)
			n, nonce = 0, "b"
			challenge = `Digest realm="x", qop="auth", ` + k.next
			status, _ = text(t, c, base)
			require.Equal(t, k.status, status)
			require.Equal(t, 1, n)
		})
	}
}

// TestDigestReadsOddChallenges checks what is read from fields of WWW-Authenticate, in the order of their challenges.
func TestDigestReadsOddChallenges(t *testing.T) {
	for field, want := range map[string]string{
		`Digest realm="a", nonce="n"`:                                     "a n MD5",
		`digest REALM=a,NONCE=n,Algorithm=md5`:                            "a n MD5",
		`Basic realm="x, Digest nonce=y", Digest realm="a", nonce="n"`:    "a n MD5",
		`Negotiate, Digest realm="a", nonce="n"`:                          "a n MD5",
		`Negotiate YWJj==, Digest realm="a", nonce="n"`:                   "a n MD5",
		`Digest realm="a", nonce="n", Basic realm="b"`:                    "a n MD5",
		`Digest realm="a \"b\" \\c", nonce="n,=;"`:                        `a "b" \c n,=; MD5`,
		`Digest realm="a" , , nonce = "n" ,`:                              "a n MD5",
		`Digest realm="a", nonce="n", algorithm="SHA-256-sess", qop=auth`: "a n SHA-256-sess",
		`Digest realm="a", nonce="n", algorithm=SHA-512-256`:              "",
		`Digest realm="a", nonce="n", qop="auth-int"`:                     "",
		`Digest realm="a", nonce="n", qop="auth-int , AUTH"`:              "a n MD5",
		`Digest realm="a"`:           "",
		`Digest realm="a", nonce=""`: "",
		`Digest`:                     "",
		`Digest realm="a`:            "",
		`"Digest" nonce=n`:           "",
		`=`:                          "",
		``:                           "",
		`Digest nonce="n`:            " n MD5",
		`Digest realm="a", nonce="1", Digest realm="b", nonce="2"`:           "a 1 MD5",
		`Digest nonce=1, Digest nonce=2, algorithm=SHA-256, Digest nonce=3,`: " 2 SHA-256",
	} {
		d := Digest("me", "pass").(*digest)
		r := newRequest(t, "GET", "http://a", nil)
		again, err := d.Challenge(r, &http.Response{Request: r, Header: http.Header{"Www-Authenticate": {field}}})
		require.NoError(t, err)
		require.Equal(t, want != "", again, field)
		if c := d.known["http://a"]; again {
			require.Equal(t, want, strings.Join([]string{c.realm, c.nonce, c.algorithm}, " "), field)
		}
	}
}

// TestDigestIsForItsOrigin challenges the request that follows a redirect.
func TestDigestIsForItsOrigin(t *testing.T) {
	n := 0
	other := digestServer(t, &n, `Digest realm="x", nonce="n", qop="auth"`)
	from := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusFound) })
	status, _ := text(t, newClient(t, &Config{Auth: Digest("me", "pass")}), from)
	require.Equal(t, 401, status)
	require.Equal(t, 1, n)
}

// TestDigestUsesNoCountTwice has two requests challenged with the same nonce at the same time, by a server that accepts
// each count once.
func TestDigestUsesNoCountTwice(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	var both sync.WaitGroup
	both.Add(2)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answers := parseChallenges(r.Header.Get("Authorization"))
		if len(answers) > 0 {
			mu.Lock()
			defer mu.Unlock()
			if nc := answers[0]["nc"]; !seen[nc] {
				seen[nc] = true
				return
			}
		} else {
			both.Done()
			both.Wait()
		}
		w.Header().Set("WWW-Authenticate", `Digest realm="r", qop="auth", nonce="n"`)
		w.WriteHeader(401)
	})
	c := newClient(t, &Config{Auth: Digest("user", "pass")})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			resp, err := c.Get(t.Context(), url)
			if assert.NoError(t, err) {
				assert.Equal(t, 200, resp.Status)
				assert.NoError(t, resp.Close())
			}
		})
	}
	all.Wait()
	require.Equal(t, map[string]bool{"00000001": true, "00000002": true}, seen)
}

// TestChallengedRequestGoesOverTheSameConnection has a body in the response of status 401.
func TestChallengedRequestGoesOverTheSameConnection(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		for r := readRequest(in); r != nil; r = readRequest(in) {
			if r.Header.Get("Authorization") == "" {
				_, _ = io.WriteString(nc, "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=r, nonce=n\r\nContent-Length: 2\r\n\r\nno")
				continue
			}
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
		}
	})
	c := newClient(t, &Config{Auth: Digest("user", "pass")})
	status, got := text(t, c, s.url)
	require.Equal(t, 200, status)
	require.Equal(t, "yes", got)
	require.Equal(t, 1, s.accepted())
}

// TestOwnCredentialsAreSentOnce has an Auth, which would answer the challenge, and a caller's Authorization field.
func TestOwnCredentialsAreSentOnce(t *testing.T) {
	n := 0
	base := digestServer(t, &n, `Digest realm="x", nonce="n", qop="auth"`)
	c := newClient(t, &Config{Auth: Digest("me", "pass")})
	resp, err := c.Do(t.Context(), &Request{Method: "POST", URL: base + "/", Header: http.Header{"Authorization": {"Bearer x"}}, Body: Text("a")})
	require.NoError(t, err)
	defer resp.Close()
	require.Equal(t, 401, resp.Status)
	require.Equal(t, 1, n)
}

// TestStaleResponseOfDigestIsComputedAgain rejects a response with the challenge that it answers.
func TestStaleResponseOfDigestIsComputedAgain(t *testing.T) {
	for stale, want := range map[string]bool{"": false, ", stale=false": false, ", stale=TRUE": true} {
		d := Digest("me", "pass")
		r := newRequest(t, "GET", "http://a", nil)
		rejects := func(of *http.Request, more string) bool {
			field := `Digest realm="a", nonce="n", qop="auth"` + more
			again, err := d.(Challenged).Challenge(r, &http.Response{Request: of, Header: http.Header{"Www-Authenticate": {field}}})
			require.NoError(t, err)
			return again
		}
		require.True(t, rejects(r, ""))
		sent := newRequest(t, "GET", "http://a", nil)
		require.NoError(t, d.Authorize(sent))
		require.Equal(t, want, rejects(sent, stale), stale)
	}
}

// TestDigestOfASessionHasOneKey uses a server that computes the key of a session once (RFC 7616 3.4.2).
func TestDigestOfASessionHasOneKey(t *testing.T) {
	sum := func(parts ...string) string {
		h := sha256.Sum256([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h[:])
	}
	key := "" // requests come one after the other
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, p := range parseChallenges(r.Header.Get("Authorization")) {
			if key == "" {
				key = sum(sum("me", "x", "pass"), p["nonce"], p["cnonce"])
			}
			if p["response"] == sum(key, p["nonce"], p["nc"], p["cnonce"], "auth", sum(r.Method, p["uri"])) {
				return
			}
		}
		w.Header().Set("Www-Authenticate", `Digest realm="x", nonce="n", qop="auth", algorithm=SHA-256-sess`)
		w.WriteHeader(401)
	})
	c := newClient(t, &Config{Auth: Digest("me", "pass")})
	for range 3 {
		status, _ := text(t, c, base)
		require.Equal(t, 200, status)
	}
}
