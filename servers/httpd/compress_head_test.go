package httpd

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCompressedReplyToHEADIsThatToGET has handlers that write the same in reply to both.
func TestCompressedReplyToHEADIsThatToGET(t *testing.T) {
	addr := start(t, Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := r.Header.Get("X-Size")
		n, err := strconv.Atoi(size)
		require.NoError(t, err)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Etag", `"e"`)
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", size)
		}
		_, err = io.WriteString(w, strings.Repeat("x", n))
		require.NoError(t, err)
	}), nil), nil)
	ask := func(method, path string, size int) *http.Response {
		r, err := http.NewRequest(method, "http://"+addr+path, nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Encoding", "gzip")
		r.Header.Set("X-Size", strconv.Itoa(size))
		resp, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	for _, path := range []string{"/", "/sized"} {
		for _, size := range []int{1, 1023, 1024, 5000} {
			get, head := ask(http.MethodGet, path, size), ask(http.MethodHead, path, size)
			for _, name := range []string{"Content-Encoding", "Etag", "Vary", "Content-Type"} {
				require.Equal(t, get.Header[name], head.Header[name], "%s of %d: %s", path, size, name)
			}
			if size >= 1024 {
				require.Empty(t, head.Header["Content-Length"], "it would be that of the plain body")
			} else {
				require.Equal(t, int64(size), head.ContentLength)
			}
		}
	}
}
