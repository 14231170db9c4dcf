package httpd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// TestMaxBodyOfAReplacedBodyIsErrTooLarge limits bodies that are not those of the server: one that Decompress has
// replaced, and one of another server.
func TestMaxBodyOfAReplacedBodyIsErrTooLarge(t *testing.T) {
	var err error
	read := MaxBody(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err = io.Copy(io.Discard, r.Body)
	}), 4)
	post := func(h http.Handler, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.ContentLength = -1
		r.Header.Set("Content-Encoding", "gzip")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for name, k := range map[string]struct {
		h    http.Handler
		body func(plain string) string
	}{
		"decompressed": {Decompress(read, nil), func(plain string) string { return string(gzipped(plain)) }},
		"foreign":      {read, func(plain string) string { return plain }},
	} {
		t.Run(name, func(t *testing.T) {
			post(k.h, k.body("text"))
			require.NoError(t, err)
			post(k.h, k.body("texts"))
			require.ErrorIs(t, err, chanio.ErrTooLarge)
			var tooLarge *http.MaxBytesError
			require.ErrorAs(t, err, &tooLarge)
			require.EqualValues(t, 4, tooLarge.Limit)
		})
	}
}
