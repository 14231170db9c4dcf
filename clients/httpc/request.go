package httpc

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Request is a request for Do. The zero value of each field means the default, which is the field of the same name in
// Config, if there is one. Do does not modify it, so it can be sent again if its Body is repeatable.
type Request struct {
	// Method is GET if it is "", or POST with a Body.
	Method string

	// URL is the target: http, https, or http+unix:/path/of.sock:/path and likewise https+unix, with %3A for a colon
	// in the path of the socket. Spaces and other characters that are invalid in a URL are escaped. User information
	// becomes Basic authentication.
	URL string

	// Query is added to the query of URL, encoded by Style.
	Query Params
	Style Style

	Header  http.Header    // takes precedence over Config.Header
	Host    string         // the Host field, if it differs from URL
	Cookies []*http.Cookie // sent after those of Header and before those of the jar
	Accept  string         // the Accept field

	// Body is the body; see [JSON], [Form], [Text], [Bytes], [Stream], [Encoded], [Reader], [File] and [Multipart].
	Body Body

	// Trailer is sent after a body of unknown length. Its values may be set until the body ends.
	Trailer http.Header

	// Expect asks the server, with "Expect: 100-continue", whether it accepts the body before sending it.
	Expect bool

	// Close closes the connection after the response.
	Close bool

	// Auth authenticates the request.
	Auth Auth

	// Route selects how the connection is made.
	Route *Route

	// Timeout, AttemptTimeout, MaxRedirects and Retry are as in Config.
	Timeout, AttemptTimeout time.Duration
	MaxRedirects            int
	Retry                   *RetryPolicy

	// StatusErrors is as in Config, and adds to it.
	StatusErrors bool

	// Timing records the duration of each phase for Response.Timing.
	Timing bool

	protocol  string // of the Upgrade, if an extended CONNECT may replace it
	anyStatus bool   // StatusErrors does not apply
	headOnly  bool   // the timeouts bound the response only until unbind
}

// build returns the http.Request for r.
func (r *Request) build(ctx context.Context, cfg *Config) (*http.Request, error) {
	u, err := parseURL(r.URL)
	if err != nil {
		return nil, err
	}
	if len(r.Query) > 0 {
		query, err := r.Query.Encode(r.Style)
		if err != nil {
			return nil, err
		}
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += query
	}
	hr := (&http.Request{
		Method: r.Method, URL: u, Host: r.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Close: r.Close,
		Trailer: r.Trailer,
	}).WithContext(ctx)
	if hr.Method == "" {
		hr.Method = http.MethodGet
		if r.Body.isSet() {
			hr.Method = http.MethodPost
		}
	}
	hr.Header = r.buildHeader(len(cfg.Header))
	authenticate(hr)
	for name, values := range cfg.Header {
		if hr.Header[name] == nil && (name != "Authorization" || r.Auth == nil) {
			hr.Header[name] = slices.Clip(values) // shared by all requests
		}
	}
	u.User = nil
	return hr, r.Body.attach(hr)
}

// authenticate adds the user information of the URL as Basic authentication. The server of a CONNECT is a proxy.
func authenticate(hr *http.Request) {
	field := "Authorization"
	if hr.Method == http.MethodConnect {
		field = "Proxy-Authorization"
	}
	if hr.URL.User == nil || hr.Header.Get(field) != "" {
		return
	}
	password, _ := hr.URL.User.Password()
	text := base64.StdEncoding.EncodeToString([]byte(hr.URL.User.Username() + ":" + password))
	hr.Header.Set(field, "Basic "+text)
}

// buildHeader returns the fields of r, with room for more.
func (r *Request) buildHeader(more int) http.Header {
	h := make(http.Header, len(r.Header)+more+2)
	addFields(h, r.Header)
	if r.Accept != "" && h["Accept"] == nil {
		h["Accept"] = []string{r.Accept}
	}
	if r.Body.contentType != "" && h["Content-Type"] == nil {
		h["Content-Type"] = []string{r.Body.contentType}
	}
	if r.Expect {
		h["Expect"] = []string{"100-continue"}
	}
	return h
}

// parseURL parses a URL, escaping characters that are not valid in one.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, invalid("invalid URL: %v", withoutURL(err))
	}
	escapeInvalid(u)
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// withoutURL returns err of url.Parse without the URL, which may contain a password.
func withoutURL(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}

// escapeInvalid escapes characters that are not valid in a path or a query. Existing escapes are kept.
func escapeInvalid(u *url.URL) {
	u.RawPath = escape(u.RawPath, "\"<>\\^`{|}") // of a path with escapes; "" if none need to be kept
	u.RawQuery = escape(u.RawQuery, "\"<>")
}

// escape escapes all in s but the visible characters of ASCII that are not in special.
func escape(s, special string) string {
	const hex = "0123456789ABCDEF"
	invalid := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(special, c) }
	if !strings.ContainsFunc(s, invalid) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if !invalid(rune(c)) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
