package httpd

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRandomRequestsForFilesAreAnsweredAsByNetHTTP sends random requests to Files and to http.FileServer.
func TestRandomRequestsForFilesAreAnsweredAsByNetHTTP(t *testing.T) {
	changed := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	tree := fstest.MapFS{}
	for _, name := range []string{"a.txt", "b.html", "dir/index.html", "dir/c.css", "dir/sub/d e.js", "%41", "empty", "unknown.xyz"} {
		size := 3000
		if name == "empty" {
			size = 0
		}
		tree[name] = &fstest.MapFile{Data: []byte(strings.Repeat(name+"\n", 3000/len(name))[:size]), ModTime: changed}
	}
	own, standard := start(t, Files(tree, nil), nil), start(t, http.FileServerFS(tree), nil)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(client.CloseIdleConnections)
	seed := rand.Uint64()
	for n := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, n))
		pick := func(from ...string) string { return from[r.IntN(len(from))] }
		target := "/" + pick("a.txt", "b.html", "dir/", "dir", "dir/c.css", "dir/sub/d%20e.js", "dir/sub/d+e.js", "%2541", "empty", "unknown.xyz", "none", "a%2etxt", "a.txt?q")
		header := http.Header{}
		for range r.IntN(3) {
			switch r.IntN(4) {
			case 0:
				header.Set("Range", "bytes="+pick("0-4", "5-", "-7", "0-0,5-9", "2990-5000", "3000-", "0-4, 10-14 ,", "-4000"))
			case 1:
				header.Set("If-Modified-Since", changed.Add(time.Duration(r.IntN(3)-1)*time.Hour).Format(http.TimeFormat))
			case 2:
				header.Set("If-Unmodified-Since", changed.Add(time.Duration(r.IntN(3)-1)*time.Hour).Format(http.TimeFormat))
			case 3:
				header.Set("If-Range", changed.Add(time.Duration(r.IntN(3)-1)*time.Hour).Format(http.TimeFormat))
			}
		}
		method := pick("GET", "GET", "HEAD")
		if method == "HEAD" || target == "/empty" {
			header.Del("Range") // RFC 9110 14.2 defines it for GET
		}
		ask := func(addr string) string {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/", nil)
			require.NoError(t, err)
			req.URL.Opaque, req.Header = "//"+addr+target, header.Clone()
			resp, err := client.Do(req)
			require.NoError(t, err)
			got := readReply(t, resp)
			_ = resp.Body.Close()
			if got.status >= 400 {
				return fmt.Sprint(got.status, " ", got.header["Content-Range"])
			}
			got.unify("Etag", "Connection", "Vary", "Accept-Ranges")
			if got.status == http.StatusNotModified {
				got.header.Del("Last-Modified") // the ETag suffices
			}
			if to := got.header.Get("Location"); to != "" {
				got.header.Set("Location", strings.TrimPrefix(to, "./"))
			}
			if len(got.body) > 100 {
				got.body = fmt.Sprint(got.body[:100], len(got.body))
			}
			return fmt.Sprintf("%+v", got)
		}
		require.Equal(t, ask(standard), ask(own), "seed %d, %d: %s %s %v", seed, n, method, target, header)
	}
}
