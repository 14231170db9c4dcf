package httpd

import (
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRandomRangesAreThoseOfTheFile asks for up to four ranges, and compares what comes with the bytes of the file.
func TestRandomRangesAreThoseOfTheFile(t *testing.T) {
	const data = "0123456789abcdefghijklmnopqrstuvwxyz"
	size := len(data)
	files := Files(fstest.MapFS{"a": {Data: []byte(data), ModTime: time.Unix(1e9, 0)}}, nil)
	for range 2000 {
		var specs, parts []string
		whole := false // as an answer to ranges that overlap
		type span struct{ from, to int }
		var spans []span
		for range 1 + rand.IntN(4) {
			from, to := rand.IntN(size+4), rand.IntN(size+10)
			switch rand.IntN(4) {
			case 0:
				specs = append(specs, fmt.Sprintf("%d-", from))
				to = size - 1
			case 1:
				specs = append(specs, fmt.Sprintf("-%d", to))
				from, to = max(size-to, 0), size-1
			default:
				if to < from {
					from, to = to, from
				}
				specs = append(specs, fmt.Sprintf("%d-%d", from, to))
			}
			if from < size && from <= to {
				spans = append(spans, span{from, min(to, size-1)})
			}
		}
		for i, s := range spans {
			for _, o := range spans[:i] {
				whole = whole || s.from <= o.to && o.from <= s.to
			}
			parts = append(parts, fmt.Sprintf("bytes %d-%d/%d %s", s.from, s.to, size, data[s.from:s.to+1]))
		}
		field := "bytes=" + strings.Join(specs, []string{",", ", ", " ,"}[rand.IntN(3)])
		rec := ask(files, http.MethodGet, "/a", "Range", field)
		got, want := "", strings.Join(parts, "; ")
		switch rec.Code {
		case http.StatusOK:
			got = rec.Body.String()
		case http.StatusRequestedRangeNotSatisfiable:
			got = rec.Header().Get("Content-Range")
		case http.StatusPartialContent:
			kind, params, _ := mime.ParseMediaType(rec.Header().Get("Content-Type"))
			if kind != "multipart/byteranges" {
				got = rec.Header().Get("Content-Range") + " " + rec.Body.String()
				break
			}
			require.Equal(t, fmt.Sprint(rec.Body.Len()), rec.Header().Get("Content-Length"), field)
			r := multipart.NewReader(rec.Body, params["boundary"])
			var list []string
			for {
				p, err := r.NextPart()
				if err == io.EOF {
					break
				}
				require.NoError(t, err, field)
				b, err := io.ReadAll(p)
				require.NoError(t, err)
				list = append(list, p.Header.Get("Content-Range")+" "+string(b))
			}
			got = strings.Join(list, "; ")
		}
		switch {
		case len(spans) == 0:
			want = fmt.Sprintf("bytes */%d", size)
		case whole:
			want = data
		}
		require.Equal(t, want, got, "%s %d", field, rec.Code)
	}
}
