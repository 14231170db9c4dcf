package codings_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers/httpd"
	"github.com/weir-go/weir/servers/httpd/codings"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

var text = strings.Repeat("compressible text, ", 1000)

// readers undo the codings.
func readers() map[string]func(io.Reader) (io.Reader, error) {
	all := codings.Readers()
	all["gzip"] = func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	all["deflate"] = func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }
	return all
}

func TestRepliesAndRequestsInEachCoding(t *testing.T) {
	all := []httpd.Coding{codings.Zstd(3), codings.Brotli(4), codings.Gzip(5), codings.Deflate(5)}
	hello := httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) { return httpd.Text(text), nil })
	replies := httpd.Compress(hello, &httpd.CompressConfig{Codings: all})
	echo := httpd.Decompress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}), &httpd.DecompressConfig{Codings: codings.Readers()})
	for _, coding := range all {
		for range 2 { // the second time with a writer that has been used
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Encoding", coding.Name())
			replies.ServeHTTP(rec, r)
			require.Equal(t, coding.Name(), rec.Header().Get("Content-Encoding"))
			require.Less(t, rec.Body.Len(), len(text)/10)
			plain, err := readers()[coding.Name()](bytes.NewReader(rec.Body.Bytes()))
			require.NoError(t, err)
			p, err := io.ReadAll(plain)
			require.NoError(t, err)
			require.Equal(t, text, string(p))

			back := httptest.NewRecorder()
			r = httptest.NewRequest(http.MethodPost, "/", rec.Body)
			r.Header.Set("Content-Encoding", coding.Name())
			echo.ServeHTTP(back, r)
			require.Equal(t, text, back.Body.String(), coding.Name())
		}
	}
}

func TestLevelsAreChecked(t *testing.T) {
	for name, f := range map[string]func(){
		"Brotli":  func() { codings.Brotli(12) },
		"Zstd":    func() { codings.Zstd(0) },
		"Gzip":    func() { codings.Gzip(10) },
		"Deflate": func() { codings.Deflate(0) },
	} {
		require.Panics(t, f, name)
	}
}

func TestZstdWithALargeWindowIsRefused(t *testing.T) {
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed, zstd.WithWindowSize(32<<20), zstd.WithSingleSegment(false), zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	for range 5 { // or the frame says how little it needs
		_, err = io.WriteString(z, text)
		require.NoError(t, err)
		require.NoError(t, z.Flush())
	}
	require.NoError(t, z.Close())
	r, err := codings.Readers()["zstd"](&packed)
	if err == nil {
		_, err = io.ReadAll(r)
	}
	require.Error(t, err)
}

// Replies in what a client likes best, requests in what it has.
func Example() {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	h := httpd.Compress(echo, &httpd.CompressConfig{
		Codings: []httpd.Coding{codings.Zstd(3), codings.Brotli(4), codings.Gzip(5)},
	})
	h = httpd.Decompress(h, &httpd.DecompressConfig{Codings: codings.Readers()})
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	r.Header.Set("Accept-Encoding", "gzip, br;q=0.9")
	h.ServeHTTP(rec, r)
	fmt.Println(rec.Header().Get("Content-Encoding"))
	// Output: gzip
}
