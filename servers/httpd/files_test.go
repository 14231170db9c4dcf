package httpd

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func ask(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestFilesServesWhatMayBeServed(t *testing.T) {
	fsys := fstest.MapFS{
		"index.html":       {Data: []byte("<p>root")},
		"a.txt":            {Data: []byte("text")},
		"dir/index.html":   {Data: []byte("<p>dir")},
		"dir/b c.json":     {Data: []byte("{}")},
		"empty/x":          {Data: []byte("x")},
		".env":             {Data: []byte("secret")},
		".git/config":      {Data: []byte("secret")},
		"con.txt":          {Data: []byte("device")},
		"com1":             {Data: []byte("device")},
		"console":          {Data: []byte("no device")},
		"unknown.whatever": {Data: []byte("%PDF-")},
		"pipe":             {Mode: fs.ModeNamedPipe},
	}
	for _, c := range []struct {
		target string
		status int
		body   string
		kind   string
	}{
		{"/", 200, "<p>root", "text/html; charset=utf-8"},
		{"", 200, "<p>root", "text/html; charset=utf-8"},
		{"/a.txt", 200, "text", "text/plain; charset=utf-8"},
		{"a.txt", 200, "text", "text/plain; charset=utf-8"},
		{"/dir/", 200, "<p>dir", "text/html; charset=utf-8"},
		{"/dir/b c.json", 200, "{}", "application/json"},
		{"/console", 200, "no device", "text/plain; charset=utf-8"},
		{"/unknown.whatever", 200, "%PDF-", "application/pdf"},
		{"/dir", 301, "", ""},
		{"/a.txt/", 404, "No such page.\n", typeText},
		{"/empty/", 404, "No such page.\n", typeText},
		{"/none", 404, "No such page.\n", typeText},
		{"/.env", 404, "No such page.\n", typeText},
		{"/.git/config", 404, "No such page.\n", typeText},
		{"/../a.txt", 404, "No such page.\n", typeText},
		{"/dir/../a.txt", 404, "No such page.\n", typeText},
		{"/dir/./b", 404, "No such page.\n", typeText},
		{"//a.txt", 404, "No such page.\n", typeText},
		{"/a.txt\x00", 404, "No such page.\n", typeText},
		{`/dir\b`, 404, "No such page.\n", typeText},
		{"/C:a.txt", 404, "No such page.\n", typeText},
		{"/con.txt", 404, "No such page.\n", typeText},
		{"/com1", 404, "No such page.\n", typeText},
		{"/pipe", 404, "No such page.\n", typeText},
	} {
		t.Run(c.target, func(t *testing.T) {
			rec := ask(Files(fsys, &FilesConfig{CacheControl: "max-age=60"}), http.MethodGet, c.target)
			require.Equal(t, c.status, rec.Code)
			require.Equal(t, c.body, rec.Body.String())
			require.Equal(t, c.kind, rec.Header().Get("Content-Type"))
			if c.status == 200 {
				require.Equal(t, "max-age=60", rec.Header().Get("Cache-Control"))
			}
			head := ask(Files(fsys, &FilesConfig{CacheControl: "max-age=60"}), http.MethodHead, c.target)
			require.Equal(t, c.status, head.Code)
			require.Equal(t, rec.Header(), head.Header(), "download managers look for Accept-Ranges in it")
		})
	}
	require.Equal(t, "./dir/?a=b", ask(Files(fsys, nil), http.MethodGet, "/dir?a=b").Header().Get("Location"))
	require.Equal(t, 404, ask(Files(fstest.MapFS{"x:y/z": {}}, nil), http.MethodGet, "/x:y").Code)
	require.Equal(t, "secret", ask(Files(fsys, &FilesConfig{DotFiles: true}), http.MethodGet, "/.env").Body.String())
	require.Equal(t, 404, ask(Files(fsys, &FilesConfig{DotFiles: true}), http.MethodGet, "/./").Code)
	post := ask(Files(fsys, nil), http.MethodPost, "/a.txt")
	require.Equal(t, http.StatusMethodNotAllowed, post.Code)
	require.Equal(t, "GET, HEAD", post.Header().Get("Allow"))
	own := &FilesConfig{Index: "a.txt", NotFound: status(410, "gone")}
	require.Equal(t, "text", ask(Files(fsys, own), http.MethodGet, "/").Body.String())
	require.Equal(t, 410, ask(Files(fsys, own), http.MethodGet, "/none").Code)
}

// TestFailuresAreNotStoredAsLongAsFiles requires that a cache does not serve the answer to a range or a condition to
// others.
func TestFailuresAreNotStoredAsLongAsFiles(t *testing.T) {
	fsys := fstest.MapFS{"a.txt": {Data: []byte("hello"), ModTime: time.Unix(1e9, 0)}}
	for policy, kept := range map[string]string{"public, max-age=31536000": "", "no-store": "no-store"} {
		h := Files(fsys, &FilesConfig{CacheControl: policy})
		rec := ask(h, http.MethodGet, "/a.txt", "Range", "bytes=100-")
		require.Equal(t, http.StatusRequestedRangeNotSatisfiable, rec.Code)
		require.Equal(t, kept, rec.Header().Get("Cache-Control"))
		rec = ask(h, http.MethodGet, "/a.txt", "If-Match", `"other"`)
		require.Equal(t, http.StatusPreconditionFailed, rec.Code)
		require.Equal(t, kept, rec.Header().Get("Cache-Control"))
		rec = ask(h, http.MethodGet, "/a.txt", "If-None-Match", "*")
		require.Equal(t, http.StatusNotModified, rec.Code)
		require.Equal(t, policy, rec.Header().Get("Cache-Control"))
	}
}

func TestFilesOfARootFollowNoLinkOut(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege")
	}
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("inside"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "out")))
	require.NoError(t, os.Symlink("a", filepath.Join(dir, "in")))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { _ = root.Close() }()
	h := Files(root.FS(), nil)
	require.Equal(t, "inside", ask(h, http.MethodGet, "/in").Body.String())
	rec := ask(h, http.MethodGet, "/out")
	require.NotContains(t, rec.Body.String(), "secret")
	require.Equal(t, http.StatusNotFound, rec.Code)
	for _, target := range []string{"/a/b", "/a/", "/" + strings.Repeat("x", 5000)} {
		require.Equal(t, http.StatusNotFound, ask(h, http.MethodGet, target).Code)
	}
}

func TestFilesServesThemCompressedIfTheyLieThere(t *testing.T) {
	fsys := fstest.MapFS{
		"a.js":    {Data: []byte("plain")},
		"a.js.gz": {Data: []byte("gzipped")},
		"a.js.br": {Data: []byte("brotli")},
		"b.js":    {Data: []byte("plain")},
	}
	for _, c := range []struct{ accept, body, coding string }{
		{"", "plain", ""},
		{"gzip", "gzipped", "gzip"},
		{"x-gzip", "gzipped", "gzip"},
		{"GZIP;q=0.5, br;q=0.5", "brotli", "br"},
		{"gzip, br;q=0.5", "gzipped", "gzip"},
		{"zstd", "plain", ""},
		{"*", "brotli", "br"},
		{"br;q=0, *", "gzipped", "gzip"},
		{"gzip;q=0", "plain", ""},
		{"gzip;q=0.5, identity", "plain", ""},
		{"gzip;q=2", "plain", ""},
		{"gzip;q=0.0001", "plain", ""},
		{"gzip;q=1.001", "plain", ""},
	} {
		t.Run(c.accept, func(t *testing.T) {
			rec := ask(Files(fsys, nil), http.MethodGet, "/a.js", "Accept-Encoding", c.accept)
			require.Equal(t, c.body, rec.Body.String())
			require.Equal(t, c.coding, rec.Header().Get("Content-Encoding"))
			require.Equal(t, "Accept-Encoding", rec.Header().Get("Vary"))
			require.Contains(t, rec.Header().Get("Content-Type"), "javascript")
		})
	}
	require.Empty(t, ask(Files(fsys, nil), http.MethodGet, "/b.js", "Accept-Encoding", "br").Header().Get("Vary"))
	none := &FilesConfig{Precompressed: []string{}}
	require.Equal(t, "plain", ask(Files(fsys, none), http.MethodGet, "/a.js", "Accept-Encoding", "br").Body.String())
	require.Panics(t, func() { Files(fsys, &FilesConfig{Precompressed: []string{"lzma"}}) })
	require.Panics(t, func() { Files(nil, nil) })
}

func TestPartsOfACompressedFileAreThoseOfItsBytes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "0123456789", "a.txt.gz": "abcdef"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	h := Files(os.DirFS(dir), nil)
	plain := ask(h, http.MethodGet, "/a.txt")
	packed := ask(h, http.MethodGet, "/a.txt", "Accept-Encoding", "gzip", "Range", "bytes=2-3")
	require.Equal(t, "cd", packed.Body.String())
	require.NotEqual(t, plain.Header().Get("Etag"), packed.Header().Get("Etag"))
	require.NotEmpty(t, packed.Header().Get("Etag"))
	again := ask(h, http.MethodGet, "/a.txt", "Accept-Encoding", "gzip", "If-None-Match", packed.Header().Get("Etag"))
	require.Equal(t, http.StatusNotModified, again.Code)
	require.Equal(t, "Accept-Encoding", again.Header().Get("Vary"))
	rec := ask(h, http.MethodGet, "/a.txt", "Accept-Encoding", "gzip", "Range", "bytes=0-0,2-2")
	require.Equal(t, http.StatusOK, rec.Code, "Content-Encoding would be that of all parts together")
	require.Equal(t, "abcdef", rec.Body.String())
}

func TestFilesOverTheWire(t *testing.T) {
	dir := t.TempDir()
	large := strings.Repeat("0123456789", 30000)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "large.txt"), []byte(large), 0o600))
	forEach(t, func(t *testing.T, e environment) {
		s := e.start(t, Files(os.DirFS(dir), nil))
		resp, body, err := s.call(t, http.MethodGet, "/large.txt", nil)
		require.NoError(t, err)
		require.Equal(t, large, body)
		require.EqualValues(t, len(large), resp.ContentLength)
		resp, body, err = s.call(t, http.MethodGet, "/large.txt", nil, "Range", "bytes=100000-200000")
		require.NoError(t, err)
		require.Equal(t, large[100000:200001], body)
		require.Equal(t, http.StatusPartialContent, resp.StatusCode)
		resp, _, err = s.call(t, http.MethodHead, "/large.txt", nil)
		require.NoError(t, err)
		require.EqualValues(t, len(large), resp.ContentLength)
	})
}
