package httpc

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Hop is a redirect that was followed.
type Hop struct {
	Status int
	URL    *url.URL // the URL that was requested
	Header http.Header
}

// RedirectError is the error of a redirect that was not followed.
type RedirectError struct {
	From, To string // without user information
	Reason   string
}

// Error returns both URLs and the reason.
func (e *RedirectError) Error() string {
	return fmt.Sprintf("httpc: the redirect from %s to %s is not followed: %s", e.From, e.To, e.Reason)
}

// redirects is the state of a chain of redirects.
type redirects struct {
	cfg     *Config
	max     int
	count   int
	crossed bool // whether a redirect has led to another origin
}

// next returns the request that follows the redirect resp, or nil if resp is to be returned to the caller.
func (h *redirects) next(r *http.Request, resp *http.Response) (*http.Request, error) {
	location := resp.Header.Get("Location")
	if h.max < 0 || location == "" || !isRedirect(resp.StatusCode) {
		return nil, nil
	}
	method, keepsBody := methodAfter(resp.StatusCode, r.Method)
	to, err := resolve(r.URL, location)
	if err != nil {
		return nil, &RedirectError{From: redactedURL(r.URL), To: "?", Reason: err.Error()}
	}
	if err := h.cfg.mayFollow(r.URL, to); err != nil {
		return nil, err
	}
	if h.count++; h.count > h.max {
		return nil, &RedirectError{redactedURL(r.URL), redactedURL(to), fmt.Sprintf("there were %d before it", h.max)}
	}
	hops := r.WithContext(r.Context())
	if keepsBody {
		again, ok := replay(r)
		if !ok {
			return nil, nil // return the response to the caller
		}
		hops = again.WithContext(again.Context())
	}
	hops.Method, hops.URL, hops.Header, hops.Response = method, to, r.Header.Clone(), resp
	if !keepsBody {
		dropBody(hops)
	}
	if crosses(r.URL, to) {
		h.crossed = true
		hops.Host = ""
		h.cfg.dropSecrets(hops)
	}
	to.User = nil
	return hops, nil
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// methodAfter returns the method after a redirect, and whether the body is sent again (RFC 9110 15.4).
func methodAfter(status int, method string) (string, bool) {
	switch {
	case status == 303 && method != http.MethodHead, status < 303 && method == http.MethodPost:
		return http.MethodGet, false
	case status == 303:
		return method, false
	}
	return method, true
}

func dropBody(r *http.Request) {
	r.Body, r.GetBody, r.ContentLength, r.Trailer, r.TransferEncoding = nil, nil, 0, nil, nil
	dropContentFields(r.Header)
}

// dropContentFields removes the fields that describe a body (RFC 9110 15.4, RFC 9530).
func dropContentFields(h http.Header) {
	for name := range h {
		switch canonical := http.CanonicalHeaderKey(name); canonical {
		case "Expect", "Digest", "Repr-Digest", "Last-Modified":
			delete(h, name)
		default:
			if strings.HasPrefix(canonical, "Content-") {
				delete(h, name)
			}
		}
	}
}

// resolve resolves a Location against a URL, which may be the URL of a Unix socket.
func resolve(from *url.URL, location string) (*url.URL, error) {
	ref, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("the Location is no URL: %w", withoutURL(err))
	}
	escapeInvalid(ref)
	if _, inUnix, _ := schemeOf(from.Scheme); !inUnix {
		to := from.ResolveReference(ref)
		if to.Fragment == "" {
			to.Fragment, to.RawFragment = from.Fragment, from.RawFragment
		}
		return to, nil
	}
	socket, inner, err := splitUnix(from)
	if err != nil {
		return nil, err
	}
	to := inner.ResolveReference(ref)
	if crosses(inner, to) {
		return to, nil // mayFollow refuses it
	}
	escaped := strings.ReplaceAll(url.PathEscape(socket), ":", "%3A")
	return &url.URL{Scheme: from.Scheme, Opaque: escaped + ":" + to.EscapedPath(), RawQuery: to.RawQuery}, nil
}

// mayFollow returns an error if the redirect is not allowed.
func (cfg *Config) mayFollow(from, to *url.URL) error {
	refuse := func(reason string) error { return &RedirectError{redactedURL(from), redactedURL(to), reason} }
	_, fromUnix, _ := schemeOf(from.Scheme)
	_, toUnix, known := schemeOf(to.Scheme)
	switch {
	case !known || toUnix && !fromUnix:
		return refuse("its scheme is not http or https")
	case fromUnix && toUnix && !sameSocket(from, to):
		return refuse("it leads to another Unix socket")
	case fromUnix && !toUnix:
		return refuse("it leads from a Unix socket to the network")
	case strings.HasPrefix(from.Scheme, "https") && !strings.HasPrefix(to.Scheme, "https") && !cfg.AllowDowngrade:
		return refuse("it leads from https to http (see Config.AllowDowngrade)")
	}
	return nil
}

// sameSocket reports whether two URLs name the same Unix socket.
func sameSocket(a, b *url.URL) bool {
	one, _, err := splitUnix(a)
	two, _, bad := splitUnix(b)
	return err == nil && bad == nil && one == two
}

// crosses reports whether two URLs have different origins: scheme, host or port.
func crosses(a, b *url.URL) bool {
	if a.Scheme != b.Scheme {
		return true
	}
	if a.Opaque != "" || b.Opaque != "" {
		return false // the same Unix socket
	}
	return !strings.EqualFold(a.Hostname(), b.Hostname()) || portIn(a) != portIn(b)
}

func portIn(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return portOf(u.Scheme)
}

// dropSecrets removes fields and credentials that must not reach another origin.
func (cfg *Config) dropSecrets(r *http.Request) {
	for name := range r.Header { // any letter case, since the map may be filled without Set
		is := func(secret string) bool { return strings.EqualFold(secret, name) }
		if slices.ContainsFunc(originFields, is) || slices.ContainsFunc(cfg.SensitiveHeaders, is) {
			delete(r.Header, name)
		}
	}
	r.URL.User = nil
}

var originFields = []string{"Authorization", "Proxy-Authorization", "Cookie", "Referer"}

// CheckRedirect implements the redirect rules of Do, with Config.MaxRedirects, for use in an http.Client.
func (c *Client) CheckRedirect(r *http.Request, via []*http.Request) error {
	cfg := &c.t.cfg
	if cfg.MaxRedirects < 0 {
		return http.ErrUseLastResponse
	}
	last := via[len(via)-1]
	if len(via) > cfg.MaxRedirects {
		return &RedirectError{redactedURL(last.URL), redactedURL(r.URL), fmt.Sprintf("there were %d before it", cfg.MaxRedirects)}
	}
	if err := cfg.mayFollow(last.URL, r.URL); err != nil {
		return err
	}
	escapeInvalid(r.URL)
	crossed := crosses(last.URL, r.URL)
	for i := 1; i < len(via) && !crossed; i++ {
		crossed = crosses(via[i-1].URL, via[i].URL)
	}
	if crossed {
		cfg.dropSecrets(r)
	}
	if r.Method != via[0].Method { // net/http copies the fields of via[0] each time
		dropContentFields(r.Header)
	}
	return nil
}
