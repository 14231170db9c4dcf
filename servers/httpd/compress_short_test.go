package httpd

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A reply that ends before the declared length does not look complete.
func TestCompressedReplyShorterThanDeclaredIsCut(t *testing.T) {
	handler := Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "10000")
		_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		if r.URL.Path == "/long" {
			_, err := io.WriteString(w, strings.Repeat("x", 6000))
			require.ErrorIs(t, err, http.ErrContentLength)
			_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		}
	}), nil)
	for name, addr := range map[string]string{"own": start(t, handler, nil), "net/http": startStandard(t, handler)} {
		t.Run(name, func(t *testing.T) {
			for path, complete := range map[string]bool{"/short": false, "/long": true} {
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
