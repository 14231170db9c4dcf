package httpd

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomWriter is a handler that makes the random calls that the request names.
func randomWriter(w http.ResponseWriter, req *http.Request) {
	seed, _ := strconv.ParseUint(req.URL.Query().Get("seed"), 10, 64)
	r := rand.New(rand.NewPCG(seed, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	if r.IntN(2) == 0 {
		w.Header().Set("Content-Type", pick("text/plain", "image/png", "application/json", "text/event-stream", "TEXT/HTML; charset=x"))
	}
	size := -1
	if r.IntN(3) == 0 {
		size = []int{0, 5, 1023, 1024, 5000}[r.IntN(5)]
		w.Header().Set("Content-Length", strconv.Itoa(size))
	}
	for range r.IntN(3) {
		name := pick("Etag", "Cache-Control", "Vary", "Trailer", "Content-Encoding", "Content-Range", "Accept-Ranges")
		w.Header().Set(name, map[string]string{"Etag": `"t"`, "Cache-Control": "No-Transform", "Vary": "Origin", "Trailer": "X-T",
			"Content-Encoding": "x-own", "Content-Range": "bytes 0-1/3", "Accept-Ranges": "bytes"}[name])
	}
	written := 0
	for range r.IntN(7) {
		switch r.IntN(8) {
		case 0:
			w.WriteHeader([]int{200, 201, 204, 304, 404, 500, 206, 103}[r.IntN(8)])
		case 1:
			w.(http.Flusher).Flush()
		case 2:
			n := r.IntN(3000)
			_, _ = io.Copy(w, strings.NewReader(text(strconv.Itoa(n))))
			written += n
		case 3:
			w.Header().Set("X-Late", "1")
		default:
			n := []int{0, 1, 10, 500, 1023, 1024, 4000, 70000}[r.IntN(8)]
			_, _ = w.Write([]byte(strings.Repeat("0123456789", n/10+1)[:n]))
			written += n
		}
	}
	if size >= 0 && written < size && r.IntN(4) > 0 {
		_, _ = w.Write([]byte(strings.Repeat("z", size-written)))
	}
	if w.Header().Get("Trailer") != "" {
		w.Header().Set("X-T", "end")
	}
	if r.IntN(5) == 0 {
		w.Header().Set(http.TrailerPrefix+"X-P", "end")
	}
	if size < 0 && r.IntN(15) == 0 {
		panic(http.ErrAbortHandler)
	}
}

// TestRandomRepliesAreTheSameCompressed compares the replies to random calls with and without Compress.
func TestRandomRepliesAreTheSameCompressed(t *testing.T) {
	h := http.HandlerFunc(randomWriter)
	plain, packed, foreign := start(t, h, nil), start(t, Compress(h, nil), nil), startStandard(t, Compress(h, nil))
	h2 := h2client(t)
	h2.Transport.(*http.Transport).DisableCompression = false
	h1 := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	t.Cleanup(h1.CloseIdleConnections)
	first := rand.Uint64() % 1e12
	for seed := first; seed < first+300; seed++ {
		method := []string{"GET", "GET", "HEAD"}[seed%3]
		ask := func(c *http.Client, addr string) string {
			req, err := http.NewRequest(method, fmt.Sprintf("http://%s/?seed=%d", addr, seed), nil)
			require.NoError(t, err)
			resp, err := c.Do(req)
			if err != nil {
				return "cut"
			}
			defer func() { _ = resp.Body.Close() }()
			got := readReply(t, resp)
			if !got.complete {
				return "cut"
			}
			got.unify("Connection", "Content-Length", "Trailer", "Vary", "Accept-Ranges", "Content-Encoding")
			if etag := got.header.Get("Etag"); etag != "" {
				got.header.Set("Etag", strings.TrimPrefix(etag, "W/"))
			}
			got.length, got.chunked = 0, false
			got.trailer = nil
			body := got.body
			got.body = ""
			return fmt.Sprintf("%+v %d %s", got, len(body), body[:min(len(body), 20)])
		}
		want, want2 := ask(h1, plain), ask(h2, plain)
		for name, got := range map[string][2]string{"packed": {want, ask(h1, packed)}, "packed2": {want2, ask(h2, packed)}, "foreign": {want, ask(h1, foreign)}} {
			if got[0] != got[1] {
				t.Errorf("seed %d %s %s\n%s\n%s", seed, method, name, got[0], got[1])
			}
		}
		if t.Failed() {
			return
		}
	}
}
