package cache

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestInvalidationBesideAStoreOfTheSameURL invalidates a URL between two calls of the Store that save or validate its
// response.
func TestInvalidationBesideAStoreOfTheSameURL(t *testing.T) {
	for name, body := range map[string]string{"with a body": "old", "without": ""} {
		for _, validated := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var c *Cache
					arm := false
					s := &broken{Memory: NewMemory(1 << 20)}
					s.put = func(key string) error {
						if arm && !strings.Contains(key, ".") {
							arm = false
							return c.Clear(context.Background(), page1)
						}
						return nil
					}
					b := newBench(t, s, nil, answer{header: fields{"cache-control": "max-age=1000", "etag": `"1"`}, body: body},
						answer{status: 304, header: fields{"etag": `"1"`}}, answer{header: fields{"cache-control": "max-age=1000"}, body: "new"})
					c = b.c
					if validated {
						b.get()
						arm = true
						resp, _ := b.get("cache-control", "no-cache")
						require.Equal(t, 200, resp.StatusCode)
					} else {
						arm = true
						b.get()
						b.seen = append(b.seen, nil)
					}
					require.False(t, arm)
					_, got := b.get()
					require.Equal(t, "new", got, "what was stored before is gone")
				})
			})
		}
	}
}

// obedient is a Store that fails once its ctx has ended.
type obedient struct{ *Memory }

func (s obedient) Get(ctx context.Context, key string) ([]byte, error) {
	p, _ := s.Memory.Get(ctx, key)
	return p, ctx.Err()
}

func (s obedient) Delete(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.Memory.Delete(ctx, key)
}

// TestInvalidationOutlivesItsRequest cancels the context of a POST after its response.
func TestInvalidationOutlivesItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, obedient{NewMemory(1 << 20)}, nil, answer{header: fields{"cache-control": "max-age=1000"}, body: "hello"})
		b.get()
		ctx, cancel := context.WithCancel(t.Context())
		rt := b.c.Middleware(roundTripper(func(r *http.Request) (*http.Response, error) {
			defer cancel()
			return b.origin.RoundTrip(r)
		}))
		r, err := http.NewRequestWithContext(ctx, "POST", page1, nil)
		require.NoError(t, err)
		_, err = rt.RoundTrip(r)
		require.NoError(t, err)
		b.get()
		require.Equal(t, 3, b.asked())
	})
}

// TestErrorThatNeverEndsIsNotWaitedFor uses a server that answers 503 and stalls in its body.
func TestErrorThatNeverEndsIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, NewMemory(1<<20), nil, answer{header: fields{"cache-control": "max-age=0, stale-if-error=1000"}, body: "hello"})
		b.get()
		stalled, w := newPipe()
		rt := b.c.Middleware(roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 503, Header: http.Header{}, Body: stalled, ContentLength: 5, Request: r}, nil
		}))
		r, err := http.NewRequestWithContext(t.Context(), "GET", page1, nil)
		require.NoError(t, err)
		resp, err := rt.RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		_, err = w.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

// TestUpgradeIsForTheServer checks that a request for another protocol is not answered with a stored page.
func TestUpgradeIsForTheServer(t *testing.T) {
	inBubble(t, []answer{{header: fields{"cache-control": "max-age=1000"}, body: "hello"}}, func(t *testing.T, b *bench) {
		b.get()
		b.get("connection", "Upgrade", "upgrade", "websocket")
		require.Equal(t, 2, b.asked())
	})
}
