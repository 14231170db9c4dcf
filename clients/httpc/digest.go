package httpc

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
)

// Digest authenticates with a user name and a password that is not sent (RFC 7616). The first request to an origin is
// rejected and sent again once, with the response to the server's challenge. Later requests carry the response from the
// start. Digest prefers SHA-256 to MD5 and never falls back to Basic.
func Digest(user, password string) Auth {
	return &digest{user: user, password: password, known: map[string]*challenge{}}
}

type digest struct {
	user, password string

	mu    sync.Mutex
	known map[string]*challenge // by origin
}

// maxChallenges limits the origins remembered.
const maxChallenges = 256

// challenge is a Digest challenge of a server.
type challenge struct {
	realm, nonce, opaque, algorithm string
	hash                            func() hash.Hash
	session, qop, userhash          bool
	count                           uint32
	cnonce                          string // of all answers, since that of the first is part of a session's key
}

// originOf returns the origin of r, or the path of its Unix socket.
func originOf(r *http.Request) string {
	host := r.URL.Host
	if _, inUnix, _ := schemeOf(r.URL.Scheme); inUnix {
		host, _, _ = splitUnix(r.URL)
	}
	return r.URL.Scheme + "://" + host
}

// Authorize answers the last challenge of the origin, if there is one.
func (d *digest) Authorize(r *http.Request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.known[originOf(r)]
	if c == nil {
		return nil
	}
	if c.count++; c.cnonce == "" {
		var random [16]byte
		_, _ = rand.Read(random[:]) // never fails
		c.cnonce = hex.EncodeToString(random[:])
	}
	r.Header.Set("Authorization", d.answer(c, r.Method, uriOf(r.URL), c.cnonce))
	return nil
}

// uriOf returns the request target that the origin server receives.
func uriOf(u *url.URL) string {
	if _, inUnix, _ := schemeOf(u.Scheme); inUnix {
		if _, inner, err := splitUnix(u); err == nil {
			u = inner
		}
	}
	return u.RequestURI()
}

// answer returns the value of the Authorization field.
func (d *digest) answer(c *challenge, method, uri, cnonce string) string {
	sum := func(parts ...string) string {
		h := c.hash()
		_, _ = h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	secret := sum(d.user, c.realm, d.password)
	if c.session {
		secret = sum(secret, c.nonce, cnonce)
	}
	about := sum(method, uri)
	nc := fmt.Sprintf("%08x", c.count)
	var b strings.Builder
	user := d.user
	if c.userhash {
		user = sum(d.user, c.realm)
	}
	fmt.Fprintf(&b, "Digest username=%s, realm=%s, nonce=%s, uri=%s, algorithm=%s",
		quoted(user), quoted(c.realm), quoted(c.nonce), quoted(uri), c.algorithm)
	if c.qop {
		fmt.Fprintf(&b, `, qop=auth, nc=%s, cnonce="%s", response="%s"`, nc, cnonce, sum(secret, c.nonce, nc, cnonce, "auth", about))
	} else {
		fmt.Fprintf(&b, `, response="%s"`, sum(secret, c.nonce, about))
	}
	if c.opaque != "" {
		b.WriteString(", opaque=" + quoted(c.opaque))
	}
	if c.userhash {
		b.WriteString(", userhash=true")
	}
	return b.String()
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Challenge stores the best challenge of a 401 response and reports whether to send the request again. It returns false
// without a supported challenge, or if the response to this challenge was rejected. A server that has forgotten an
// earlier nonce sends another one, or says that it is stale.
func (d *digest) Challenge(r *http.Request, resp *http.Response) (bool, error) {
	tried := ""
	if resp.Request != nil {
		for _, params := range parseChallenges(resp.Request.Header.Get("Authorization")) {
			tried = params["nonce"]
		}
	}
	var best *challenge
	stale := false
	for _, field := range resp.Header["Www-Authenticate"] {
		for _, params := range parseChallenges(field) {
			c := newChallenge(params)
			if c == nil || best != nil && !(strings.HasPrefix(c.algorithm, "SHA") && strings.HasPrefix(best.algorithm, "MD5")) {
				continue
			}
			best, stale = c, strings.EqualFold(params["stale"], "true")
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	origin := originOf(r)
	if best == nil || tried == best.nonce && !stale {
		delete(d.known, origin)
		return false, nil
	}
	if k := d.known[origin]; k != nil && k.isLike(best) {
		return true, nil // its count goes on: no count is used twice with a nonce
	}
	if len(d.known) >= maxChallenges {
		clear(d.known)
	}
	d.known[origin] = best
	return true, nil
}

// isLike reports whether c and other have the same parameters.
func (c *challenge) isLike(other *challenge) bool {
	a, b := *c, *other
	a.count, a.hash, a.cnonce, b.count, b.hash, b.cnonce = 0, nil, "", 0, nil, ""
	return reflect.DeepEqual(a, b)
}

// newChallenge returns the challenge with the parameters p, or nil if it is not a supported Digest challenge.
func newChallenge(p map[string]string) *challenge {
	if p["scheme"] != "digest" || p["nonce"] == "" {
		return nil
	}
	c := &challenge{realm: p["realm"], nonce: p["nonce"], opaque: p["opaque"], algorithm: "MD5"}
	if a := p["algorithm"]; a != "" {
		c.algorithm = strings.ToUpper(a)
	}
	c.userhash = strings.EqualFold(p["userhash"], "true")
	name, session := strings.CutSuffix(c.algorithm, "-SESS")
	c.session = session
	if session {
		c.algorithm = name + "-sess"
	}
	switch name {
	case "SHA-256":
		c.hash = sha256.New
	case "MD5":
		c.hash = md5.New
	default:
		return nil
	}
	if qop := p["qop"]; qop != "" {
		for option := range strings.SplitSeq(qop, ",") {
			c.qop = c.qop || strings.EqualFold(strings.Trim(option, " \t"), "auth")
		}
		if !c.qop {
			return nil // only auth-int
		}
	}
	return c
}

// parseChallenges returns the challenges of a field, each with its scheme as the parameter "scheme" (RFC 9110 11.6.1).
func parseChallenges(field string) (all []map[string]string) {
	for field != "" {
		var token string
		field = strings.TrimLeft(field, " \t,")
		token, field = cutToken(field)
		if token == "" {
			return all
		}
		rest := strings.TrimLeft(field, " \t")
		value, isParam := strings.CutPrefix(rest, "=")
		if !isParam || len(all) == 0 {
			all = append(all, map[string]string{"scheme": strings.ToLower(token)})
			field = rest
			continue
		}
		all[len(all)-1][strings.ToLower(token)], field = cutValue(strings.TrimLeft(value, " \t"))
	}
	return all
}

func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && !strings.ContainsRune(" \t,=\"", rune(s[i])) {
		i++
	}
	return s[:i], s[i:]
}

// cutValue splits s after a leading token or quoted string.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, " \t,")
		if i < 0 {
			return s, ""
		}
		return s[:i], s[i:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}
