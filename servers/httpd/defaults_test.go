package httpd

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

func TestDefaultsOfMultipartAndEventsAreTheDocumentedOnes(t *testing.T) {
	var m MultipartConfig
	m.complete()
	require.Equal(t, []int64{1000, 16 << 10, 32, 1 << 10, 10 << 20, 32 << 20, 1 << 30},
		[]int64{int64(m.MaxParts), int64(m.MaxHead), int64(m.MaxFields), int64(m.MaxName), m.MaxText, m.MaxMemory, m.MaxDisk})
	e := (*EventsConfig)(nil).complete()
	require.Equal(t, []time.Duration{15 * time.Second, 30 * time.Second}, []time.Duration{e.Heartbeat, e.WriteTimeout})
}

// TestCompressBeginsAt1024BytesAtLevel5 requires the exact output of compress/gzip.
func TestCompressBeginsAt1024BytesAtLevel5(t *testing.T) {
	text := strings.Repeat("a text that is compressed, more at one level than at another; ", 40)
	for _, n := range []int{1023, 1024, len(text)} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		rec := httptest.NewRecorder()
		Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, text[:n])
		}), nil).ServeHTTP(rec, r)
		if n < 1024 {
			require.Empty(t, rec.Header().Get("Content-Encoding"))
			require.Equal(t, text[:n], rec.Body.String())
			continue
		}
		var want bytes.Buffer
		z, err := gzip.NewWriterLevel(&want, 5)
		require.NoError(t, err)
		_, _ = io.WriteString(z, text[:n])
		require.NoError(t, z.Close())
		require.Equal(t, "gzip", rec.Header().Get("Content-Encoding"))
		require.Equal(t, want.Bytes(), rec.Body.Bytes())
	}
}

// TestDecompressAllows100TimesBehindTheFirstMiB sends data that compresses 1,000 to 1.
func TestDecompressAllows100TimesBehindTheFirstMiB(t *testing.T) {
	h := Decompress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			failed(w, r, err)
		}
	}), nil)
	noise := make([]byte, 16<<10) // incompressible
	for i, state := 0, uint32(1); i < len(noise); i++ {
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	for name, k := range map[string]struct {
		zeros int
		noise []byte
		want  int
	}{
		"1 MiB":              {zeros: 1 << 20, want: 200},
		"2 MiB":              {zeros: 2 << 20, want: 413},
		"more than 100 to 1": {zeros: 2 << 20, noise: noise[:15<<10], want: 413}, // about 17 KB including the zeros
		"less than 100 to 1": {zeros: 3 << 19, noise: noise, want: 200},
	} {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(k.noise)
		_, _ = z.Write(make([]byte, k.zeros))
		require.NoError(t, z.Close())
		length := packed.Len()
		r := httptest.NewRequest("POST", "/", &packed)
		r.Header.Set("Content-Encoding", "gzip")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if k.want == 200 {
			require.Equal(t, 200, rec.Code, "%s: %d bytes", name, length)
			require.Equal(t, len(k.noise)+k.zeros, rec.Body.Len())
		} else {
			require.Less(t, rec.Body.Len(), len(k.noise)+k.zeros, "%s: %d bytes", name, length)
		}
	}
}

// TestBoundariesHaveAtMost70Bytes tests the limit of RFC 2046 5.1.1.
func TestBoundariesHaveAtMost70Bytes(t *testing.T) {
	for n, want := range map[int]int{1: 200, 70: 200, 71: 400} {
		boundary := strings.Repeat("b", n)
		r := httptest.NewRequest("POST", "/", strings.NewReader("--"+boundary+"--\r\n"))
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
		rec := httptest.NewRecorder()
		if _, err := Multipart(rec, r, nil); err != nil {
			failed(rec, r, err)
		}
		require.Equal(t, want, rec.Code, "%d bytes", n)
	}
}

// TestFilesOfPartsHaveNoName lists the directory while a part is stored.
func TestFilesOfPartsHaveNoName(t *testing.T) {
	if os.PathSeparator == '\\' {
		t.Skip("an open file cannot be removed")
	}
	dir := t.TempDir()
	body, kind := form(t, twoFiles)
	parts := partsOf(t, &MultipartConfig{Store: true, MaxMemory: 1, TempDir: dir}, body, kind)
	for part, err := range parts.Values(t.Context()) {
		require.NoError(t, err)
		if part.FileName != "a.txt" {
			continue
		}
		require.True(t, part.OnDisk)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, "nothing is left behind, whatever happens")
		got, err := chanio.ReadAll(t.Context(), part.Source, 1<<20)
		require.NoError(t, err)
		require.True(t, string(got) == largeFile)
	}
}
