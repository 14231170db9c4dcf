package httpc

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// secretFields are the fields with hidden values.
var secretFields = []string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"}

// redacted returns a copy of h with the secrets hidden.
func (cfg *Config) redacted(h http.Header) http.Header {
	if cfg.ShowSecrets {
		return h
	}
	shown := maps.Clone(h)
	for name, values := range shown {
		switch {
		case cfg.isSecret(name):
			shown[name] = []string{"xxxxx"}
		case slices.Contains(urlFields, http.CanonicalHeaderKey(name)):
			shown[name] = redactedURLs(values)
		}
	}
	return shown
}

// urlFields are the fields that are a URL, which may contain a password.
var urlFields = []string{"Content-Location", "Location", "Referer"}

func redactedURLs(values []string) []string {
	values = slices.Clone(values)
	for i, v := range values {
		u, err := url.Parse(v)
		switch {
		case err != nil: // a password in it cannot be told apart
			values[i] = "xxxxx"
		case u.User != nil:
			values[i] = redactedURL(u)
		}
	}
	return values
}

// isSecret reports whether the values of a field are hidden.
func (cfg *Config) isSecret(name string) bool {
	return slices.Contains(secretFields, http.CanonicalHeaderKey(name)) || cfg.isSensitive(name)
}

func (cfg *Config) isSensitive(name string) bool {
	return slices.ContainsFunc(cfg.SensitiveHeaders, func(s string) bool { return strings.EqualFold(s, name) })
}

func (cfg *Config) shownURL(u *url.URL) string {
	if cfg.ShowSecrets {
		return u.String()
	}
	return redactedURL(u)
}

// Dump writes every request and response of c to w: their heads and, at their end, up to bodies bytes of each body.
// Credentials and cookies are redacted unless Config.ShowSecrets is set. Dump is middleware: registered last it shows
// what callers request, registered first what the transport sends.
func (c *Client) Dump(w io.Writer, bodies int) {
	d := &dump{w: w, cfg: &c.t.cfg, max: bodies}
	c.Use(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) { return d.roundTrip(next, r) })
	})
}

type dump struct {
	mu  sync.Mutex
	w   io.Writer
	cfg *Config
	max int
	n   int // requests so far
}

func (d *dump) roundTrip(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	d.n++
	n := d.n
	d.mu.Unlock()
	d.print(fmt.Sprintf("> %d %s %s", n, r.Method, d.cfg.shownURL(r.URL)), r.Header, nil)
	if d.max > 0 && r.Body != nil && r.Body != http.NoBody {
		copied := *r
		copied.Body = &dumpBody{ReadCloser: r.Body, d: d, title: fmt.Sprintf("> %d body", n)}
		r = &copied
	}
	resp, err := roundTrip(next, r)
	if err != nil {
		d.print(fmt.Sprintf("< %d error: %v", n, err), nil, nil)
		return nil, err
	}
	d.print(fmt.Sprintf("< %d %s %s", n, resp.Proto, resp.Status), resp.Header, nil)
	if _, writable := resp.Body.(io.Writer); d.max > 0 && resp.Body != http.NoBody && !writable {
		resp.Body = &dumpBody{ReadCloser: resp.Body, d: d, title: fmt.Sprintf("< %d body", n)}
	}
	return resp, nil
}

// print writes a title and either the fields or the body.
func (d *dump) print(title string, h http.Header, body []byte) {
	var b bytes.Buffer
	fmt.Fprintln(&b, title)
	shown := d.cfg.redacted(h)
	for _, name := range sortedKeys(shown) {
		for _, v := range shown[name] {
			fmt.Fprintf(&b, "%c %s: %s\n", title[0], name, v)
		}
	}
	if body != nil {
		fmt.Fprintf(&b, "%q\n", body)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = d.w.Write(b.Bytes())
}

// dumpBody keeps the start of a body, and prints it at the end.
type dumpBody struct {
	io.ReadCloser
	d     *dump
	title string

	mu   sync.Mutex
	kept []byte
	n    int64
	once sync.Once
}

func (b *dumpBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	b.n += int64(n)
	b.kept = append(b.kept, p[:min(n, b.d.max-len(b.kept))]...)
	b.mu.Unlock()
	if err != nil {
		b.show()
	}
	return n, err
}

func (b *dumpBody) Close() error {
	err := b.ReadCloser.Close()
	b.show()
	return err
}

func (b *dumpBody) show() {
	b.once.Do(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.d.print(fmt.Sprintf("%s, %d bytes", b.title, b.n), nil, append([]byte{}, b.kept...))
	})
}
