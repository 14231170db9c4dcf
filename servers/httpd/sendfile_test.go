package httpd

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bigFile returns a file of n bytes in which adjacent bytes differ.
func bigFile(t *testing.T, n int) (name string, content []byte) {
	t.Helper()
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		_, _ = fmt.Fprintf(&b, "%d\n", i)
	}
	content = b.Bytes()[:n]
	name = filepath.Join(t.TempDir(), "file.txt")
	require.NoError(t, os.WriteFile(name, content, 0o600))
	return name, content
}

func TestFilesAreServedAsByNetHTTP(t *testing.T) {
	const size = 1 << 20
	name, content := bigFile(t, size)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	addr, standard := start(t, handler, nil), startStandard(t, handler)
	for _, fields := range []string{
		"", "Range: bytes=0-0\r\n", "Range: bytes=100000-900000\r\n", "Range: bytes=-5\r\n", "Range: bytes=2000000-\r\n",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			raw := method + " / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + getLine
			want, _ := talk(t, standard, raw, method, "GET")
			got, ended := talk(t, addr, raw, method, "GET")
			require.Equal(t, want, got, "%s %s", method, fields)
			require.False(t, ended)
		}
	}
	got, _ := talk(t, addr, getLine, "GET")
	require.True(t, got[0].body == string(content))
}

// TestReadFromAFile checks the number of bytes that a copy reports, the position of the file afterwards, and the bytes
// around it.
func TestReadFromAFile(t *testing.T) {
	const size = 100_000
	name, content := bigFile(t, size)
	for _, c := range []struct {
		name         string
		length, from int
		limit        int64
		want         string
	}{
		{"whole", size + 6, 0, 0, "abc" + string(content) + "xyz"},
		{"from within", size - 1000 + 6, 1000, 0, "abc" + string(content[1000:]) + "xyz"},
		{"limited", 50_006, 1000, 50_000, "abc" + string(content[1000:51_000]) + "xyz"},
		{"limit beyond the end", size + 6, 0, 2 * size, "abc" + string(content) + "xyz"},
		{"unknown length", -1, 0, 0, "abc" + string(content) + "xyz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			copied := make(chan [2]int64, 1)
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				f, err := os.Open(name)
				if err != nil {
					panic(err)
				}
				defer func() { _ = f.Close() }()
				_, _ = f.Seek(int64(c.from), io.SeekStart)
				w.Header().Set("Content-Type", "text/plain")
				if c.length >= 0 {
					w.Header().Set("Content-Length", fmt.Sprint(c.length))
				}
				var src io.Reader = f
				if c.limit > 0 {
					src = io.LimitReader(f, c.limit)
				}
				_, _ = io.WriteString(w, "abc")
				n, _ := io.Copy(w, src)
				at, _ := f.Seek(0, io.SeekCurrent)
				copied <- [2]int64{n, at}
				_, _ = io.WriteString(w, "xyz")
			}), nil)
			got, ended := talk(t, addr, getLine, "GET")
			require.True(t, got[0].body == c.want, "%d bytes instead of %d", len(got[0].body), len(c.want))
			require.False(t, ended)
			n := int64(len(c.want) - 6)
			require.Equal(t, [2]int64{n, int64(c.from) + n}, <-copied)
		})
	}
}

func TestFileThatIsTooLongForItsLengthIsRefused(t *testing.T) {
	name, content := bigFile(t, 100_000)
	failed := make(chan error, 1)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			panic(err)
		}
		defer func() { _ = f.Close() }()
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "60000")
		_, err = io.Copy(w, f)
		failed <- err
	}), nil)
	got, ended := talk(t, addr, getLine, "GET")
	require.ErrorIs(t, <-failed, http.ErrContentLength)
	require.True(t, ended)
	require.False(t, got[0].complete)
	require.True(t, strings.HasPrefix(string(content), got[0].body))
}

func TestServeContentOfAReader(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.html", time.Unix(1e9, 0), strings.NewReader(strings.Repeat("<p>", 10_000)))
	})
	want, _ := talk(t, startStandard(t, handler), getLine, "GET")
	got, _ := talk(t, start(t, handler, nil), getLine, "GET")
	require.Equal(t, want, got)
}
