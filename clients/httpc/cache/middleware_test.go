package cache

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

type bareTripper func(*http.Request) (*http.Response, error)

func (f bareTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestResponseOfMiddlewareMayLackBodyAndHeader has middleware answer with what it needs only, as Client.Use allows.
func TestResponseOfMiddlewareMayLackBodyAndHeader(t *testing.T) {
	stale := http.Header{"Cache-Control": {"max-age=0, stale-if-error=100"}, "Etag": {`"1"`}}
	for name, answers := range map[string][]*http.Response{
		"neither":             {{StatusCode: 200}},
		"storable, no body":   {{StatusCode: 200, Header: http.Header{"Cache-Control": {"max-age=100"}}}},
		"error after a stale": {{StatusCode: 200, Header: stale}, {StatusCode: 500}},
		"304":                 {{StatusCode: 200, Header: stale}, {StatusCode: 304}},
	} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			t.Run(name+" "+method, func(t *testing.T) {
				n := 0
				rt := New(NewMemory(1<<20), nil).Middleware(bareTripper(func(*http.Request) (*http.Response, error) {
					n++
					return answers[min(n, len(answers))-1], nil
				}))
				for range 3 {
					r, err := http.NewRequest(method, "http://a.example/", nil)
					require.NoError(t, err)
					resp, err := rt.RoundTrip(r)
					require.NoError(t, err)
					if resp.Body != nil {
						_, err = io.ReadAll(resp.Body)
						require.NoError(t, err)
						require.NoError(t, resp.Body.Close())
					}
				}
			})
		}
	}
}
