package httpd

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A reply that ends before the declared length does not look complete, nor does one with a gap where the handler has
// tried to write too much. As without Compress, nothing is written after such an attempt.
func TestCompressedReplyShorterThanDeclaredIsCut(t *testing.T) {
	handler := Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "10000")
		_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		sizes := map[string][]int{"/long": {5000, 1}, "/gap": {6000, 5000}}[r.URL.Path]
		for i, n := range sizes {
			_, err := io.WriteString(w, strings.Repeat("x", n))
			require.Equal(t, i == 1 || n > 5000, errors.Is(err, http.ErrContentLength), r.URL.Path)
		}
	}), nil)
	for name, addr := range map[string]string{"own": start(t, handler, nil), "net/http": startStandard(t, handler)} {
		t.Run(name, func(t *testing.T) {
			for path, complete := range map[string]bool{"/short": false, "/long": true, "/gap": false} {
				r, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
				require.NoError(t, err)
				r.Header.Set("Accept-Encoding", "gzip")
				client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
				resp, err := client.Do(r)
				if err != nil {
					require.False(t, complete)
					continue
				}
				require.Equal(t, "gzip", resp.Header.Get("Content-Encoding"))
				z, err := gzip.NewReader(resp.Body)
				if err == nil {
					_, err = io.Copy(io.Discard, z)
				}
				require.Equal(t, complete, err == nil, "%s: %v", path, err)
				_ = resp.Body.Close()
			}
		})
	}
}
