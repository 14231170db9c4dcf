package load

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// web serves h and returns a Spec for it.
func web(t *testing.T, h http.HandlerFunc) Spec {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return Spec{URL: srv.URL + "/path", Codec: codecHTTP, Size: 1, Conns: 3, Window: 4, Time: 200 * time.Millisecond}
}

func TestRequestsOfHTTPAreCounted(t *testing.T) {
	var served, uploaded atomic.Int64
	spec := web(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		uploaded.Add(n)
		served.Add(1)
		_, _ = io.WriteString(w, r.Method+r.URL.Path)
	})
	r, err := Run(t.Context(), spec, nil)
	require.NoError(t, err)
	require.Positive(t, r.Replies)
	require.EqualValues(t, int64(r.Total)+3, served.Load(), "each connection learns from one more")
	require.Zero(t, uploaded.Load())

	served.Store(0)
	spec.Post, spec.Size, spec.Window = true, 100_000, 1
	_, err = Run(t.Context(), spec, nil)
	require.NoError(t, err)
	require.Equal(t, 100_000*served.Load(), uploaded.Load())
}

func TestRepliesOfHTTPThatDifferAreNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		late func(w http.ResponseWriter)
		want string
	}{
		"body":   {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "other") }, "its body differs"},
		"status": {func(w http.ResponseWriter) { http.Error(w, "hello", 500) }, "begin with HTTP/1.1 200"},
	} {
		t.Run(name, func(t *testing.T) {
			var served atomic.Int64
			spec := web(t, func(w http.ResponseWriter, _ *http.Request) {
				if served.Add(1) > 50 {
					c.late(w)
					return
				}
				_, _ = io.WriteString(w, "hello")
			})
			spec.Time = time.Minute // the error ends it
			_, err := Run(t.Context(), spec, nil)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestReplyOfHTTPThatCannotBeChecked(t *testing.T) {
	for want, h := range map[string]http.HandlerFunc{
		"404 Not Found": http.NotFound,
		"no Content-Length": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, "hello")
			w.(http.Flusher).Flush()
		},
	} {
		_, err := Run(t.Context(), web(t, h), nil)
		require.ErrorContains(t, err, want)
	}
	var usage *UsageError
	require.ErrorAs(t, Spec{URL: "tcp://a:1", Codec: codecHTTP, Size: 1, Conns: 1, Window: 1}.Check(), &usage)
	require.ErrorAs(t, Spec{URL: "http://a:1", Codec: codecRaw, Size: 1, Conns: 1, Window: 1}.Check(), &usage)
	require.ErrorAs(t, Spec{URL: "tcp://a:1", Codec: codecRaw, Post: true, Size: 1, Conns: 1, Window: 1}.Check(), &usage)
	require.NoError(t, Spec{URL: "https://a:1", Codec: codecHTTP, Post: true, Size: 1, Conns: 1, Window: 1}.Check())
}
