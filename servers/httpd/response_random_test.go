package httpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// aResponse returns functions that make equal Responses.
func aResponse(r *rand.Rand, file string) func() (Response, error) {
	n := []int{0, 1, 5, 600, 3000, 70000}[r.IntN(6)]
	body := strings.Repeat("0123456789", n/10+1)[:n]
	fails, seed := r.IntN(8) == 0, r.Uint64()
	pieces := func() *chanio.Source[[]byte] {
		r, rest := rand.New(rand.NewPCG(seed, 0)), []byte(body)
		return chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(context.Context) (p []byte, err error) {
			if len(rest) == 0 {
				if fails {
					return nil, errors.New("random")
				}
				return nil, io.EOF
			}
			k := min(len(rest), 1+r.IntN(5000))
			p, rest = rest[:k], rest[k:]
			return p, nil
		}})
	}
	var form func() (Response, error)
	switch r.IntN(9) {
	case 0:
		form = func() (Response, error) { return Text(body), nil }
	case 1:
		form = func() (Response, error) { return Bytes([]byte(body)), nil }
	case 2:
		form = func() (Response, error) { return JSON(body), nil }
	case 3:
		form = func() (Response, error) { return ByteStream(pieces()), nil }
	case 4:
		form = func() (Response, error) { return Reader(strings.NewReader(body)), nil }
	case 5:
		form = func() (Response, error) { return Reader(io.MultiReader(strings.NewReader(body))), nil }
	case 6:
		form = func() (Response, error) { return Encoded(pieces(), codec.Prefixed(codec.Uint32, codec.Bytes)), nil }
	case 7:
		form = func() (Response, error) { return File(file) }
	default:
		off := int64(r.IntN(40000))
		form = func() (Response, error) { return FileRegion(file, off, int64(n)) }
	}
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for range r.IntN(4) {
		make := form
		switch r.IntN(5) {
		case 0:
			status := []int{200, 201, 204, 205, 206, 304, 404, 500, 99}[r.IntN(9)]
			form = func() (Response, error) { resp, err := make(); return resp.WithStatus(status), err }
		case 1, 2:
			name := pick("Content-Type", "Content-Length", "ETag", "Last-Modified", "X-A", "Content-Encoding", "Accept-Ranges", "Set-Cookie", "a b")
			value := pick("", "a/b", "5", `"tag"`, `W/"tag"`, "Sun, 06 Nov 1994 08:49:37 GMT", "bytes", "a\nb", "none")
			if name == "Content-Encoding" && value == "" {
				value = "br" // an empty one says nothing
			}
			form = func() (Response, error) { resp, err := make(); return resp.With(name, value), err }
		case 3:
			name, value := pick("X-Sum", "X-Other", "Content-Length", "a b"), pick("", "1", "a\nb")
			form = func() (Response, error) {
				resp, err := make()
				return resp.WithTrailer(name, func() string { return value }), err
			}
		case 4:
			if r.IntN(3) == 0 {
				form = func() (Response, error) { resp, _ := make(); return resp, &RequestError{418, errors.New("refused")} }
			}
		}
	}
	return form
}

// TestRandomResponsesAreTheSameEverywhere asks for random Responses, with random conditions and ranges, over HTTP/1,
// HTTP/2, from a server of net/http, and compressed.
func TestRandomResponsesAreTheSameEverywhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file.bin")
	require.NoError(t, os.WriteFile(file, []byte(text("40000")), 0o600))
	var current atomic.Pointer[func() (Response, error)]
	h := Reply(func(context.Context, *http.Request) (Response, error) { return (*current.Load())() })
	h2 := h2client(t)
	h1 := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: patience, CheckRedirect: h2.CheckRedirect}
	unpacking := &http.Client{Transport: &http.Transport{}, Timeout: patience, CheckRedirect: h2.CheckRedirect}
	t.Cleanup(h1.CloseIdleConnections)
	t.Cleanup(unpacking.CloseIdleConnections)
	own, compressed, standard := start(t, h, nil), start(t, Compress(h, nil), nil), startStandard(t, h)
	seed := rand.Uint64()
	for n := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, n))
		make := aResponse(r, file)
		current.Store(&make)
		method := []string{"GET", "GET", "HEAD", "POST"}[r.IntN(4)]
		header := http.Header{}
		for range r.IntN(3) {
			name := []string{"If-None-Match", "If-Match", "If-Modified-Since", "Range", "If-Range"}[r.IntN(5)]
			header.Set(name, map[string][]string{
				"If-None-Match": {"*", `"tag"`}, "If-Match": {"*", `"tag"`, `"x"`}, "If-Modified-Since": {"Sun, 06 Nov 1994 08:49:37 GMT"},
				"Range": {"bytes=0-4", "bytes=3-3,8-9", "bytes=-5", "bytes=99999-"}, "If-Range": {`"tag"`, `"x"`},
			}[name][0])
		}
		ask := func(client *http.Client, addr string) string {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr, nil)
			require.NoError(t, err)
			req.Header = header.Clone()
			resp, err := client.Do(req)
			if err != nil {
				return "cut"
			}
			got := readReply(t, resp)
			_ = resp.Body.Close()
			if !got.complete {
				return "cut"
			}
			got.unify("Connection", "Content-Length", "Trailer", "Vary", "Accept-Ranges")
			if etag := got.header.Get("Etag"); etag != "" {
				got.header.Set("Etag", strings.TrimPrefix(etag, "W/"))
			}
			if len(got.trailer) == 0 || method == "HEAD" {
				got.trailer = nil
			}
			got.length, got.chunked = 0, false
			return fmt.Sprintf("%+v", got)
		}
		want := ask(h1, own)
		about := fmt.Sprintf("seed %d, %d: %s %v", seed, n, method, header)
		require.Equal(t, want, ask(h2, own), "HTTP/2, %s", about)
		require.Equal(t, want, ask(h1, standard), "net/http, %s", about)
		if header.Get("Range") == "" {
			require.Equal(t, ask(unpacking, own), ask(unpacking, compressed), "compressed, %s", about)
		}
	}
}
