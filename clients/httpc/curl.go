package httpc

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/weir-go/weir/internal/http1"
)

// Curl returns a POSIX shell command that sends r with curl, as far as possible: a body that is not repeatable, the
// cookies of a jar and the credentials of an Auth are omitted. Credentials are redacted unless Config.ShowSecrets is
// set.
func (c *Client) Curl(r *Request) (string, error) {
	cfg := &c.t.cfg
	shown := *r
	if r.Body.once && r.Body.err == nil { // and must stay for Do
		shown.Body = Body{contentType: r.Body.contentType}
		shown.Method = cmp.Or(r.Method, http.MethodPost)
	}
	hr, err := shown.build(context.Background(), cfg)
	if err != nil {
		return "", err
	}
	defer closeBody(hr)
	body, err := curlBody(hr)
	if err != nil {
		return "", err
	}
	if body == "" && !r.Body.once && needsLength(hr.Method) {
		body = " --data-binary ''" // otherwise curl sends no Content-Length
	}
	var b strings.Builder
	b.WriteString("curl")
	switch method := hr.Method; {
	case method == http.MethodHead && body == "":
		b.WriteString(" --head") // with -X curl waits for a body
	case method != http.MethodGet || body != "":
		b.WriteString(" -X " + shellQuote(method))
	}
	for _, cookie := range r.Cookies {
		if !validCookie(cookie) {
			return "", invalid("invalid cookie %q", cookie.Name)
		}
		hr.AddCookie(cookie)
	}
	if agent := cfg.UserAgent; !has(hr.Header, "User-Agent") {
		switch agent {
		case defaultAgent: // then curl may send its own
		case "-":
			b.WriteString(" -H User-Agent:") // curl omits the field
		default:
			hr.Header.Set("User-Agent", agent)
		}
	}
	if err := curlFields(&b, cfg.redacted(hr.Header), hr.Host); err != nil {
		return "", err
	}
	if body != "" && hr.Header["Content-Type"] == nil {
		b.WriteString(" -H Content-Type:") // otherwise curl sends the type of a form
	}
	b.WriteString(body)
	u := hr.URL
	if socket, inner, err := splitUnix(u); err == nil && strings.HasSuffix(u.Scheme, "+unix") {
		b.WriteString(" --unix-socket " + shellQuote(socket))
		u = inner
	}
	target := cfg.shownURL(u)
	if strings.Contains(target, "/.") {
		b.WriteString(" --path-as-is")
	}
	if strings.ContainsAny(target, "[]{}") {
		b.WriteString(" --globoff")
	}
	return b.String() + " " + shellQuote(target), nil
}

// curlFields appends the options for the fields of h.
func curlFields(b *strings.Builder, h http.Header, host string) error {
	for _, name := range sortedKeys(h) {
		if http1.ValidToken(name) && isDerived(http1.Lookup(name)) {
			continue // as in appendFields
		}
		for _, v := range h[name] {
			v = strings.Trim(v, " \t")
			field := name + ": " + v
			switch {
			case !http1.ValidToken(name) || !http1.ValidValue(v):
				return invalid("invalid header field %q", name) // its value may be a secret
			case v == "":
				field = name + ";" // otherwise curl omits the field
			}
			b.WriteString(" -H " + shellQuote(field))
		}
	}
	if host != "" {
		if !http1.ValidValue(host) {
			return invalid("invalid Host %q", host)
		}
		b.WriteString(" -H " + shellQuote("Host: "+host))
	}
	return nil
}

// maxCurlBody limits the length of a body in a command.
const maxCurlBody = 64 << 10

// curlBody returns the option for the body of r, or "".
func curlBody(r *http.Request) (string, error) {
	if r.GetBody == nil || r.ContentLength <= 0 {
		return "", nil
	}
	p, err := io.ReadAll(io.LimitReader(r.Body, maxCurlBody+1))
	switch {
	case err != nil:
		return "", err
	case len(p) > maxCurlBody:
		return "", invalid("a body of more than %d bytes is too long for a command", maxCurlBody)
	case bytes.IndexByte(p, 0) >= 0:
		return "", invalid("a body with a zero byte cannot be part of a command")
	case bytes.HasPrefix(p, []byte("@")):
		return " --data-raw " + shellQuote(string(p)), nil // --data-binary would send a file of that name
	}
	return " --data-binary " + shellQuote(string(p)), nil
}

// shellQuote quotes for a POSIX shell.
func shellQuote(s string) string {
	if s != "" && http1.ValidToken(s) && !strings.ContainsAny(s, "!#$&'*^`|~") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
