package load

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// webHTTP2 serves h over HTTP/2 without TLS and returns a Spec for it.
func webHTTP2(t *testing.T, h http.HandlerFunc) Spec {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	url := strings.Replace(srv.URL, "http://", "h2c://", 1) + "/path"
	return Spec{URL: url, Codec: codecHTTP, Size: 1, Conns: 3, Window: 16, Time: 200 * time.Millisecond}
}

func TestRequestsOfHTTP2AreCounted(t *testing.T) {
	var served, uploaded atomic.Int64
	spec := webHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		uploaded.Add(n)
		served.Add(1)
		_, _ = io.WriteString(w, r.Proto+r.Method+r.URL.Path)
	})
	for _, window := range []int{1, 16, 1000} { // more than the server accepts at once
		served.Store(0)
		spec.Window = window
		r, err := Run(t.Context(), spec, nil)
		require.NoError(t, err)
		require.Positive(t, r.Replies)
		require.EqualValues(t, int64(r.Total)+3, served.Load(), "each connection learns from one more")
	}
	require.Zero(t, uploaded.Load())

	served.Store(0)
	spec.Post, spec.Size, spec.Window = true, 300_000, 8 // larger than the windows
	_, err := Run(t.Context(), spec, nil)
	require.NoError(t, err)
	require.Equal(t, 300_000*served.Load(), uploaded.Load())
}

func TestRepliesOfHTTP2ThatFailAreNoticed(t *testing.T) {
	for want, late := range map[string]http.HandlerFunc{
		"its body differs":           func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "other") },
		"begin with HTTP/1.1 200":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = io.WriteString(w, "hello") },
		"server has reset a stream:": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		var served atomic.Int64
		spec := webHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
			if served.Add(1) > 50 {
				late(w, r)
				return
			}
			_, _ = io.WriteString(w, "hello")
		})
		spec.Time = time.Minute // the error ends it
		_, err := Run(t.Context(), spec, nil)
		require.ErrorContains(t, err, want)
	}
}
