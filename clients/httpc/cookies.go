package httpc

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/weir-go/weir/internal/http1"
)

// NewJar returns an empty cookie jar in memory that knows the public suffixes, so that no site sets cookies for all of
// ".co.uk". It is for any goroutine, and for Config.Jar.
func NewJar() http.CookieJar {
	jar, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // never fails
	return jar
}

// keepCookies gives the cookies of a response to a jar. White space around a value is no part of it, which net/http leaves
// there: RFC 6265 5.2.
func keepCookies(jar http.CookieJar, u *url.URL, resp *http.Response) {
	cookies := resp.Cookies()
	for _, c := range cookies {
		c.Value = strings.Trim(c.Value, " \t")
	}
	if len(cookies) > 0 {
		jar.SetCookies(u, cookies)
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
