package cache

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// origin is an in-memory server that answers the n-th request with the n-th answer, and later ones with the last.
type origin struct {
	t       *testing.T
	answers []answer

	mu   sync.Mutex
	seen []*http.Request
}

type answer struct {
	status int
	header map[string]string // "in 10" and "ago 10" are relative times
	body   string
	err    error // instead of an answer
	cut    error // after the body, instead of its end
	length int64 // -1: unknown; 0: the length of body
}

func (o *origin) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.answers[min(len(o.seen), len(o.answers)-1)]
	o.seen = append(o.seen, r)
	if a.err != nil {
		return nil, a.err
	}
	h := http.Header{"Date": {at("now")}}
	for name, v := range a.header {
		h[http.CanonicalHeaderKey(name)] = strings.Split(at(v), "|")
	}
	if a.status == 0 {
		a.status = 200
	}
	if a.length == 0 {
		a.length = int64(len(a.body))
	}
	resp := &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		ContentLength: a.length, Request: r, Body: &cutBody{strings.NewReader(a.body), a.cut},
	}
	if r.Method == http.MethodHead {
		resp.Body = http.NoBody
	}
	return resp, nil
}

// asked returns the number of requests received.
func (o *origin) asked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.seen)
}

type cutBody struct {
	io.Reader
	cut error
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.cut != nil {
		err = b.cut
	}
	return n, err
}

func (b *cutBody) Close() error { return nil }

// at converts a relative time to a date.
func at(v string) string {
	d := time.Duration(0)
	switch word, rest, _ := strings.Cut(v, " "); word {
	case "in", "ago":
		parsed, err := time.ParseDuration(rest)
		if err != nil {
			return v
		}
		if d = parsed; word == "ago" {
			d = -d
		}
	case "now":
	default:
		return v
	}
	return time.Now().Add(d).UTC().Format(http.TimeFormat)
}

// bench is a cache in front of an origin, in a bubble.
type bench struct {
	*origin
	c  *Cache
	rt http.RoundTripper
}

func newBench(t *testing.T, store Store, cfg *Config, answers ...answer) *bench {
	o := &origin{t: t, answers: answers}
	c := New(store, cfg)
	return &bench{o, c, c.Middleware(o)}
}

// inBubble runs a test in a bubble with its own clock.
func inBubble(t *testing.T, answers []answer, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newBench(t, NewMemory(1<<20), nil, answers...)) })
}

// do sends a request with fields, and returns the response with its body read.
func (b *bench) do(method, url string, fields map[string]string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		return nil, "", err
	}
	for name, v := range fields {
		r.Header[http.CanonicalHeaderKey(name)] = strings.Split(at(v), "|")
	}
	before := maps.Clone(r.Header)
	resp, err := b.rt.RoundTrip(r)
	require.Equal(b.t, before, r.Header, "the request is not modified")
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), errors.Join(err, resp.Body.Close())
}

const page1 = "http://a.example/page"

// get is do of a GET of page1 that must succeed.
func (b *bench) get(fields ...string) (*http.Response, string) {
	b.t.Helper()
	h := map[string]string{}
	for i := 0; i < len(fields); i += 2 {
		h[fields[i]] = fields[i+1]
	}
	resp, body, err := b.do("GET", page1, h)
	require.NoError(b.t, err)
	return resp, body
}
