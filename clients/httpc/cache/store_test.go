package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newPipe() (*io.PipeReader, *io.PipeWriter) { return io.Pipe() }

// broken is a Store that calls its functions if set, and otherwise Memory.
type broken struct {
	*Memory
	get    func(key string, p []byte) ([]byte, error)
	put    func(key string) error
	delete func() error
}

func (s *broken) Get(ctx context.Context, key string) ([]byte, error) {
	p, _ := s.Memory.Get(ctx, key)
	if s.get != nil {
		return s.get(key, p)
	}
	return p, nil
}

func (s *broken) Put(ctx context.Context, key string, p []byte) error {
	if s.put != nil {
		if err := s.put(key); err != nil {
			return err
		}
	}
	return s.Memory.Put(ctx, key, p)
}

func (s *broken) Delete(ctx context.Context, key string) error {
	if s.delete != nil {
		return s.delete()
	}
	return s.Memory.Delete(ctx, key)
}

func TestBrokenStoreFailsNoRequest(t *testing.T) {
	down := errors.New("down")
	isBody := func(key string) bool { return strings.Contains(key, ".") }
	for name, s := range map[string]broken{
		"Get fails":              {get: func(string, []byte) ([]byte, error) { return nil, down }},
		"Get fails with a value": {get: func(_ string, p []byte) ([]byte, error) { return p, down }},
		"Get panics":             {get: func(string, []byte) ([]byte, error) { panic("x") }},
		"Get returns garbage":    {get: func(string, []byte) ([]byte, error) { return []byte("garbage"), nil }},
		"Get returns JSON":       {get: func(string, []byte) ([]byte, error) { return []byte("null"), nil }},
		"Get returns half":       {get: func(_ string, p []byte) ([]byte, error) { return p[:len(p)/2], nil }},
		"bodies are lost":        {get: func(key string, p []byte) ([]byte, error) { return map[bool][]byte{false: p}[isBody(key)], nil }},
		"bodies are others": {get: func(key string, p []byte) ([]byte, error) {
			return map[bool][]byte{false: p, true: []byte("HELLO")}[isBody(key)], nil
		}},
		"pages are others": {get: func(_ string, p []byte) ([]byte, error) {
			return bytes.Replace(p, []byte("/page"), []byte("/else"), 1), nil
		}},
		"variants are null":          {get: func(string, []byte) ([]byte, error) { return []byte(`{"URL":"` + page1 + `","Variants":[null]}`), nil }},
		"variants say nothing":       {get: func(string, []byte) ([]byte, error) { return []byte(`{"URL":"` + page1 + `","Variants":[{}]}`), nil }},
		"Put fails":                  {put: func(string) error { return down }},
		"Put panics":                 {put: func(string) error { panic("x") }},
		"bodies cannot be put":       {put: func(key string) error { return map[bool]error{true: down}[isBody(key)] }},
		"pages cannot be put":        {put: func(key string) error { return map[bool]error{false: down}[isBody(key)] }},
		"Delete panics, Put is lost": {put: func(string) error { return down }, delete: func() error { panic("x") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var text bytes.Buffer
				s.Memory = NewMemory(1 << 20)
				b := newBench(t, &s, &Config{Logger: slog.New(slog.NewTextHandler(&text, nil))},
					answer{header: fields{"cache-control": "max-age=1000", "etag": `"1"`, "vary": "x"}, body: "hello"})
				for n := range 3 {
					resp, body := b.get()
					require.Equal(t, 200, resp.StatusCode)
					require.Equal(t, "hello", body)
					require.Equal(t, n+1, b.asked(), "it is a miss")
					_, _, err := b.do("POST", "http://a.example/other", nil)
					require.NoError(t, err)
					b.seen = b.seen[:n+1]
				}
				if strings.Contains(name, "fail") || strings.Contains(name, "panic") {
					require.Contains(t, text.String(), "the store has failed")
				}
			})
		})
	}
}

func TestMemoryForgetsWhatWasUsedLast(t *testing.T) {
	ctx := t.Context()
	one := costOf("a", make([]byte, 100))
	m := NewMemory(3 * one)
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, m.Put(ctx, key, make([]byte, 100)))
	}
	_, _ = m.Get(ctx, "a")
	require.NoError(t, m.Put(ctx, "d", make([]byte, 100)))
	for key, there := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		p, err := m.Get(ctx, key)
		require.NoError(t, err)
		require.Equal(t, there, p != nil, key)
	}
	require.Equal(t, 3*one, m.Len())
	require.NoError(t, m.Put(ctx, "a", make([]byte, 4*one)))
	p, _ := m.Get(ctx, "a")
	require.Nil(t, p, "neither the new nor the old")
	for _, key := range []string{"a", "b", "c", "d", "d"} {
		require.NoError(t, m.Delete(ctx, key))
	}
	require.Zero(t, m.Len())
	require.NoError(t, NewMemory(0).Put(ctx, "a", nil))
}

// TestMemoryStaysWithinItsSize stores more pages than fit.
func TestMemoryStaysWithinItsSize(t *testing.T) {
	m := NewMemory(100 << 10)
	b := newBench(t, m, nil, answer{header: fields{"cache-control": "max-age=1000"}, body: strings.Repeat("x", 10<<10), length: -1})
	for i := range 100 {
		_, _, err := b.do("GET", page1+strconv.Itoa(i), nil)
		require.NoError(t, err)
		require.LessOrEqual(t, m.Len(), int64(100<<10))
	}
	_, _, err := b.do("GET", page1+"99", nil)
	require.NoError(t, err)
	require.Equal(t, 100, b.asked())
}

// TestManyAtOnce is for the race detector.
func TestManyAtOnce(t *testing.T) {
	b := newBench(t, NewMemory(20<<10), &Config{MaxVariants: 2}, answer{header: fields{"cache-control": "max-age=1000", "vary": "x"}, body: "hello"})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				method := "GET"
				if n%10 == i {
					method = "POST"
				}
				_, body, err := b.do(method, page1, fields{"x": fmt.Sprint(n % 3)})
				if err != nil || body != "hello" {
					t.Error(body, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestResponseThatCouldNeverBeUsedIsNotStored covers streams of events, which usually are no-cache.
func TestResponseThatCouldNeverBeUsedIsNotStored(t *testing.T) {
	for name, k := range map[string]struct {
		header fields
		stored bool
	}{
		"no-cache":                  {fields{"cache-control": "no-cache"}, false},
		"no-cache, with lifetime":   {fields{"cache-control": "no-cache, max-age=100"}, false},
		"no-cache of a field":       {fields{"cache-control": `no-cache="a", max-age=100`}, true},
		"no-cache, with ETag":       {fields{"cache-control": "no-cache", "etag": `"1"`}, true},
		"no-cache, with a date":     {fields{"cache-control": "no-cache", "last-modified": "ago 1h"}, true},
		"no lifetime, no validator": {nil, true}, // it can answer a request with max-stale
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMemory(1 << 20)
			b := newBench(t, m, nil, answer{header: k.header, body: "hello"})
			b.get()
			require.Equal(t, k.stored, m.Len() > 0)
		})
	}
}

func TestMiddlewareThatReturnsNothingFailsTheRequest(t *testing.T) {
	c := New(NewMemory(1<<20), nil)
	rt := c.Middleware(roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil }))
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
		resp, err := rt.RoundTrip(httptest.NewRequest(method, "http://a/", nil))
		require.Nil(t, resp)
		require.ErrorContains(t, err, "neither a response nor an error")
	}
}
