package cache

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// site is an origin whose representations change, and that is slow, varies, and cuts bodies at random. A representation
// is identified by its variant and its version.
type site struct {
	rng *rand.Rand

	mu      sync.Mutex
	changed []time.Time // when each version began; the first is 1
}

func (s *site) change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = append(s.changed, time.Now())
}

// end returns when a version was replaced.
func (s *site) end(version int64) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version >= int64(len(s.changed)) {
		return time.Time{}, false
	}
	return s.changed[version], true
}

func (s *site) version() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.changed)
}

// n returns a random number.
func (s *site) n(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

func (s *site) pause(most int) { time.Sleep(time.Duration(s.n(most)) * time.Millisecond) }

var policies = []string{
	"max-age=1", "max-age=5", "max-age=30", "no-cache", "no-store", "max-age=3, must-revalidate", "max-age=3, stale-if-error=20",
	"private, max-age=10", "",
}

func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.pause(2000)
	if r.Method == http.MethodPost {
		s.change()
	}
	name := fmt.Sprintf("%s-%d", r.Header.Get("X"), s.version())
	now, tag := time.Now(), `"`+name+`"`
	body := name + strings.Repeat(".", s.n(3000)) + ";"
	s.pause(2000)
	if s.n(20) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	h := http.Header{"Date": {now.UTC().Format(http.TimeFormat)}, "Vary": {"X"}, "Etag": {tag}}
	if p := policies[s.n(len(policies))]; p != "" {
		h["Cache-Control"] = []string{p}
	}
	if s.n(4) == 0 {
		h["Age"] = []string{"0"}
	}
	resp := &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Request: r, ContentLength: -1}
	var end error
	switch {
	case s.n(20) == 0:
		resp.StatusCode, body = 503, "down"
		h.Del("Etag")
		h.Set("Cache-Control", "no-store")
	case r.Method == http.MethodPost:
		body = ""
	case r.Header.Get("If-None-Match") == tag:
		resp.StatusCode, body = 304, ""
	case r.Method == http.MethodHead:
		h.Set("Content-Length", strconv.Itoa(len(body)))
		body = ""
	case s.n(3) == 0:
		resp.ContentLength = int64(len(body))
	}
	if resp.StatusCode == 200 && s.n(8) == 0 && len(body) > 1 {
		body, end = body[:len(body)/2], io.ErrUnexpectedEOF
	}
	resp.Body = &slowBody{s, &cutBody{strings.NewReader(body), end}}
	return resp, nil
}

type slowBody struct {
	s *site
	io.ReadCloser
}

func (b *slowBody) Read(p []byte) (int, error) {
	b.s.pause(300)
	return b.ReadCloser.Read(p[:min(len(p), 1+b.s.n(1000))])
}

// TestRandomRequests sends many requests at once, and checks that each response is whole and of its variant, no older than
// its Age says, and no older than a change that was made through the cache before the request.
func TestRandomRequests(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{rng: rand.New(rand.NewPCG(seed, 0))}
			s.change()
			v := &visitor{t: t, s: s, rt: New(NewMemory(20_000), &Config{MaxVariants: 3}).Middleware(s)}
			var work sync.WaitGroup
			for range 6 {
				work.Go(func() {
					for range 40 {
						s.pause(3000)
						v.visit()
					}
				})
			}
			work.Wait()
			require.NotZero(t, v.hits.Load(), "seed %d", seed)
		})
	}
}

// visitor sends random requests.
type visitor struct {
	t    *testing.T
	s    *site
	rt   http.RoundTripper
	made atomic.Int64 // the version of the last change made through the cache
	hits atomic.Int64
}

func (v *visitor) visit() {
	r := v.request()
	least, began := v.made.Load(), time.Now()
	resp, err := v.rt.RoundTrip(r)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent || v.s.n(10) == 0 {
		return
	}
	p, err := io.ReadAll(resp.Body)
	variant, text, _ := strings.Cut(strings.Trim(resp.Header.Get("Etag"), `"`), "-")
	version, _ := strconv.ParseInt(text, 10, 64)
	if r.Method == http.MethodPost {
		for made := v.made.Load(); made < version && !v.made.CompareAndSwap(made, version); made = v.made.Load() {
		}
		return
	}
	require.Equal(v.t, r.Header.Get("X"), variant)
	how := resp.Header.Get("Cache-Status")
	if how == hit || how == validated || how == onError {
		require.NoError(v.t, err, how)
		v.hits.Add(1)
	}
	if r.Method == http.MethodGet && err == nil && resp.StatusCode == http.StatusOK {
		require.Regexp(v.t, "^"+variant+"-"+text+`\.*;$`, string(p), how)
	}
	if how != onError {
		require.GreaterOrEqual(v.t, version, least, how)
	}
	age, _ := strconv.Atoi(resp.Header.Get("Age"))
	if end, ended := v.s.end(version); ended {
		require.False(v.t, end.Before(began.Add(-time.Duration(age+1)*time.Second)), "%s: version %d is older than %d s", how, version, age)
	}
}

func (v *visitor) request() *http.Request {
	method := http.MethodGet
	switch v.s.n(14) {
	case 0:
		method = http.MethodPost
	case 1:
		method = http.MethodHead
	case 2:
		v.s.change()
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, page1, nil)
	require.NoError(v.t, err)
	r.Header.Set("X", strconv.Itoa(v.s.n(4)))
	if v.s.n(10) == 0 {
		r.Header.Set("Cache-Control", "no-cache")
	}
	if v.s.n(10) == 0 {
		r.Header.Set("Range", "bytes=0-3")
	}
	return r
}
