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
// cookies for all of ".co.uk". It is safe for concurrent use.
func NewJar() http.CookieJar {
	inner, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // never fails
	return &jar{inner}
}

// jar is the jar of net/http that reads cookies as RFC 6265 5.2 does, also for an http.Client.
type jar struct{ inner *cookiejar.Jar }

func (j *jar) Cookies(u *url.URL) []*http.Cookie { return j.inner.Cookies(u) }

func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	amended := make([]*http.Cookie, len(cookies))
	for i, c := range cookies {
		amended[i] = new(http.Cookie)
		*amended[i] = *c
		amend(amended[i])
	}
	j.inner.SetCookies(u, amended)
}

// keepCookies gives the cookies of a response to a jar.
func keepCookies(jar http.CookieJar, u *url.URL, resp *http.Response) {
	cookies := resp.Cookies()
	for _, c := range cookies {
		amend(c)
	}
	if len(cookies) > 0 {
		jar.SetCookies(u, cookies)
	}
}

// amend does what RFC 6265 5.2 says and net/http does not: white space around a value or a domain is no part of it, and an
// Expires attribute is read in many forms.
func amend(c *http.Cookie) {
	c.Value, c.Domain = strings.Trim(c.Value, " \t"), strings.Trim(c.Domain, " \t")
	if c.Expires.IsZero() && c.RawExpires != "" {
		if t, ok := cookieDate(c.RawExpires); ok {
			c.Expires = t
		}
	}
}

// addCookies adds the cookies of the request and of the jar. Of cookies with one name the Cookie field wins, then the
// request, then the jar. Those of the request stay with the origin that it was meant for.
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
		for _, c := range jar.Cookies(r.URL) {
			addCookie(r, c, seen)
		}
	}
	return nil
}

func addCookie(r *http.Request, c *http.Cookie, seen map[string]bool) {
	if !seen[c.Name] {
		r.AddCookie(c)
	}
}

// validCookie reports whether a cookie is sent as it is: net/http would leave out what it cannot send.
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
