package httpc

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/weir-go/weir/internal/http1"
)

// NewJar returns an empty in-memory cookie jar for Config.Jar. It uses the public suffix list, so no site can set
// cookies for all of ".co.uk", and rejects cookies that violate the rule of their prefix, __Secure- or __Host-. It is
// safe for concurrent use.
func NewJar() http.CookieJar {
	inner, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // never fails
	return &jar{inner}
}

// jar wraps the jar of net/http and parses cookies as in RFC 6265 5.2, also for an http.Client.
type jar struct{ inner *cookiejar.Jar }

func (j *jar) Cookies(u *url.URL) []*http.Cookie { return j.inner.Cookies(u) }

func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	kept := make([]*http.Cookie, 0, len(cookies))
	for _, c := range cookies {
		amended := *c
		amend(&amended)
		if keepsPrefix(u, &amended) {
			kept = append(kept, &amended)
		}
	}
	j.inner.SetCookies(u, kept)
}

// keepsPrefix reports whether a cookie set by u obeys the rule of its prefix, if it has one (RFC 6265bis 4.1.3).
func keepsPrefix(u *url.URL, c *http.Cookie) bool {
	begins := func(prefix string) bool {
		return len(c.Name) >= len(prefix) && strings.EqualFold(c.Name[:len(prefix)], prefix)
	}
	secure := c.Secure && u.Scheme == "https"
	switch {
	case begins("__Secure-"):
		return secure
	case begins("__Host-"):
		return secure && c.Domain == "" && c.Path == "/"
	}
	return true
}

// cookieURL returns the URL of r for a jar, as in net/http: a Host that differs from the URL is another site. The Host
// of a CONNECT is where its tunnel leads, but its cookies are for the proxy.
func cookieURL(r *http.Request) *url.URL {
	if r.Host == "" || r.Method == http.MethodConnect {
		return r.URL
	}
	u := *r.URL
	u.Host = r.Host
	return &u
}

// keepCookies stores the cookies of a response to r in a jar.
func keepCookies(jar http.CookieJar, r *http.Request, resp *http.Response) {
	if cookies := setCookies(resp.Header); len(cookies) > 0 {
		jar.SetCookies(cookieURL(r), cookies)
	}
}

// setCookies returns the cookies of a response.
func setCookies(h http.Header) (cookies []*http.Cookie) {
	for _, line := range h["Set-Cookie"] {
		if c, ok := parseSetCookie(line); ok {
			cookies = append(cookies, c)
		}
	}
	return cookies
}

// parseSetCookie parses a Set-Cookie field as in RFC 6265 5.2, which allows any name and value. net/http drops those
// that the grammar for servers does not allow, such as JSON values or other alphabets, so it parses only the
// attributes.
func parseSetCookie(line string) (*http.Cookie, bool) {
	pair, attributes, _ := strings.Cut(line, ";")
	name, value, ok := strings.Cut(pair, "=")
	name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
	if !ok || name == "" || !http1.ValidValue(name+"="+value) {
		return nil, false
	}
	c, err := http.ParseSetCookie("x=;" + attributes)
	if err != nil {
		return nil, false
	}
	c.Name, c.Value, c.Raw = name, value, line
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		c.Value, c.Quoted = value[1:n-1], true
	}
	amend(c)
	return c, true
}

// amend corrects two points where net/http differs from RFC 6265 5.2: it trims white space around a value or a domain,
// and accepts more forms of an Expires attribute.
func amend(c *http.Cookie) {
	c.Domain = strings.Trim(c.Domain, " \t")
	if !c.Quoted {
		c.Value = strings.Trim(c.Value, " \t")
	}
	if c.Expires.IsZero() && c.RawExpires != "" {
		if t, ok := cookieDate(c.RawExpires); ok {
			c.Expires = t
		}
	}
}

// addCookies adds the cookies of the request and of the jar. For equal names, the Cookie field takes precedence over
// the request, and the request over the jar. Cookies of the request are sent only to its first origin.
func (x *call) addCookies(r *http.Request, jar http.CookieJar, crossed bool) error {
	seen := map[string]bool{}
	note := func(cookies []*http.Cookie) {
		for _, c := range cookies {
			seen[c.Name] = true
		}
	}
	note(r.Cookies())
	if !crossed {
		for _, c := range x.r.Cookies {
			if !validCookie(c) {
				return invalid("invalid cookie %q", c.Name)
			}
			addCookie(r, c, seen)
		}
		note(x.r.Cookies)
	}
	if jar != nil {
		for _, c := range jar.Cookies(cookieURL(r)) {
			if seen[c.Name] {
				continue
			}
			pair := asSet(c)
			if !isPair(c.Name, pair) {
				return invalid("invalid cookie %q in the jar", c.Name)
			}
			appendCookie(r, pair)
		}
	}
	return nil
}

func addCookie(r *http.Request, c *http.Cookie, seen map[string]bool) {
	if !seen[c.Name] {
		r.AddCookie(c)
	}
}

// asSet returns a cookie of a jar as the server set it, since net/http quotes some values.
func asSet(c *http.Cookie) string {
	if c.Quoted {
		return c.Name + `="` + c.Value + `"`
	}
	return c.Name + "=" + c.Value
}

// isPair reports whether a pair parses as one cookie of that name.
func isPair(name, pair string) bool {
	return name != "" && !strings.Contains(name, "=") && !strings.Contains(pair, ";") && http1.ValidValue(pair)
}

func appendCookie(r *http.Request, pair string) {
	if before := r.Header.Get("Cookie"); before != "" {
		pair = before + "; " + pair
	}
	r.Header.Set("Cookie", pair)
}

// validCookie reports whether net/http sends a cookie unchanged.
func validCookie(c *http.Cookie) bool {
	if !http1.ValidToken(c.Name) {
		return false
	}
	for i := range len(c.Value) {
		if b := c.Value[i]; b < 0x20 || b > 0x7e || b == '"' || b == ';' || b == '\\' {
			return false
		}
	}
	return true
}
