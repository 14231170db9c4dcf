package httpc

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"testing"

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
	sum := func(h hash.Hash, s string) string { _, _ = io.WriteString(h, s); return hex.EncodeToString(h.Sum(nil)) }
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
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
	})
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
}
