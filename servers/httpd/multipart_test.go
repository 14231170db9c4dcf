package httpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// form is a multipart body of fields and files.
func form(t *testing.T, write func(m *multipart.Writer) error) (*bytes.Buffer, string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	require.NoError(t, write(m))
	require.NoError(t, m.Close())
	return &b, m.FormDataContentType()
}

func addFile(m *multipart.Writer, name, fileName, text string) error {
	w, err := m.CreateFormFile(name, fileName)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	return err
}

func partsOf(t *testing.T, cfg *MultipartConfig, body io.Reader, kind string) *chanio.Source[*Part] {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", kind)
	parts, err := Multipart(httptest.NewRecorder(), r, cfg)
	require.NoError(t, err)
	return parts
}

var largeFile = strings.Repeat("0123456789", 20000)

func twoFiles(m *multipart.Writer) error {
	return errors.Join(m.WriteField("title", "some text"), addFile(m, "first", "a.txt", largeFile),
		addFile(m, "second", "../../etc/passwd", "second"), m.WriteField("last", ""))
}

func TestMultipartYieldsPartsAsTheyCome(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		s := e.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			parts, err := Multipart(w, r, nil)
			if err != nil {
				failed(w, r, err)
				return
			}
			var said []string
			for part, err := range parts.Values(r.Context()) {
				if err != nil {
					failed(w, r, err)
					return
				}
				text := part.Text
				if part.Source != nil {
					p, err := chanio.ReadAll(r.Context(), part.Source, 1<<20)
					if err != nil {
						failed(w, r, err)
						return
					}
					text = fmt.Sprint(len(p), " ", string(p[:6]))
				}
				said = append(said, fmt.Sprint(part.Name, "|", part.FileName, "|", text, "|", part.Size, part.OnDisk))
			}
			_, _ = io.WriteString(w, strings.Join(said, "\n"))
		}))
		body, kind := form(t, twoFiles)
		_, reply, err := s.call(t, http.MethodPost, "/", body, "Content-Type", kind)
		require.NoError(t, err)
		require.Equal(t, "title||some text|9 false\nfirst|a.txt|200000 012345|-1 false\nsecond|passwd|6 second|-1 false\nlast|||0 false", reply)
		resp, _, err := s.call(t, http.MethodPost, "/", strings.NewReader("x"), "Content-Type", "text/plain")
		require.NoError(t, err)
		require.Equal(t, http.StatusUnsupportedMediaType, resp.StatusCode)
	})
}

func TestNextPartComesAfterTheReleaseOfAFile(t *testing.T) {
	body, kind := form(t, twoFiles)
	parts := partsOf(t, nil, body, kind)
	ctx := t.Context()
	_, err := parts.Recv(ctx)
	require.NoError(t, err)
	first, err := parts.Recv(ctx)
	require.NoError(t, err)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = parts.Recv(ended)
	require.ErrorIs(t, err, context.Canceled)
	got := make(chan *Part)
	go func() {
		p, _ := parts.Recv(ctx)
		got <- p
	}()
	chunk, err := first.Source.Recv(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, chunk)
	first.Release()
	first.Release()
	second := awaitIn(t, got)
	require.Equal(t, "second", second.Name)
	_, err = first.Source.Recv(ctx)
	require.Error(t, err)
	second.Release()
	last, err := parts.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "last", last.Name)
	_, err = parts.Recv(ctx)
	require.ErrorIs(t, err, io.EOF)
}

// TestContextEndsTheWaitForARelease loses no part.
func TestContextEndsTheWaitForARelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, kind := form(t, twoFiles)
		parts := partsOf(t, &MultipartConfig{MaxText: int64(len("some text"))}, body, kind) // the limit may be reached
		for _, name := range []string{"title", "first"} {
			part, err := parts.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, name, part.Name)
			if part.Source == nil {
				continue
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				synctest.Wait()
				cancel()
			}()
			_, err = parts.Recv(ctx)
			require.ErrorIs(t, err, context.Canceled)
			part.Release()
		}
		part, err := parts.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "second", part.Name)
		part.Release()
		require.NoError(t, parts.Close())
	})
}

func TestPartsThroughAChannel(t *testing.T) {
	body, kind := form(t, twoFiles)
	parts := partsOf(t, nil, body, kind)
	var names []string
	for part := range parts.C(t.Context()) {
		names = append(names, part.Name)
		part.Release()
	}
	require.NoError(t, parts.Err())
	require.Equal(t, []string{"title", "first", "second", "last"}, names)
}

func TestStoredPartsAreHeldUntilTheirRelease(t *testing.T) {
	dir := t.TempDir()
	body, kind := form(t, twoFiles)
	parts := partsOf(t, &MultipartConfig{Store: true, MaxMemory: 1000, TempDir: dir}, body, kind)
	var all []*Part
	for part, err := range parts.Values(t.Context()) {
		require.NoError(t, err)
		all = append(all, part)
	}
	require.Len(t, all, 4)
	require.EqualValues(t, 200000, all[1].Size)
	require.True(t, all[1].OnDisk)
	require.False(t, all[2].OnDisk)
	for i, want := range []string{1: largeFile, 2: "second"} {
		if want != "" {
			p, err := chanio.ReadAll(t.Context(), all[i].Source, 1<<20)
			require.NoError(t, err)
			require.Equal(t, want, string(p))
		}
	}
	for _, part := range all {
		part.Release()
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestLimitsOfMultipart(t *testing.T) {
	raw := func(head, text string) string {
		return "--b\r\n" + head + "\r\n\r\n" + text + "\r\n--b--\r\n"
	}
	const field = `Content-Disposition: form-data; name="a"`
	const file = field + `; filename="f"`
	for _, c := range []struct {
		name   string
		cfg    MultipartConfig
		body   string
		status int
	}{
		{"parts", MultipartConfig{MaxParts: 2}, strings.Repeat("--b\r\n"+field+"\r\n\r\nx\r\n", 3) + "--b--\r\n", 413},
		{"head", MultipartConfig{}, raw(field+"\r\nX-A: "+strings.Repeat("x", 40<<10), "x"), 413},
		{"fields", MultipartConfig{}, raw(field+strings.Repeat("\r\nX-A: x", 40), "x"), 413},
		{"name", MultipartConfig{MaxName: 10}, raw(`Content-Disposition: form-data; name="`+strings.Repeat("a", 11)+`"`, "x"), 413},
		{"file name", MultipartConfig{MaxName: 10}, raw(field+`; filename="`+strings.Repeat("a", 11)+`"`, "x"), 413},
		{"text", MultipartConfig{MaxText: 100}, raw(field, strings.Repeat("x", 101)), 413},
		{"disk", MultipartConfig{Store: true, MaxMemory: 10, MaxDisk: 100}, raw(file, strings.Repeat("x", 101)), 413},
		{"no name", MultipartConfig{}, raw(`Content-Disposition: form-data`, "x"), 400},
		{"no disposition", MultipartConfig{}, raw(`X-A: b`, "x"), 400},
		{"no end", MultipartConfig{}, "--b\r\n" + field + "\r\n\r\nx", 400},
		{"nothing", MultipartConfig{}, "", 400},
		{"another boundary", MultipartConfig{}, "--c\r\n" + field + "\r\n\r\nx\r\n--c--", 400},
		{"endless preamble", MultipartConfig{}, strings.Repeat("x", 100<<10), 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts := partsOf(t, &c.cfg, strings.NewReader(c.body), "multipart/form-data; boundary=b")
			var failure error
			for part, err := range parts.Values(t.Context()) {
				if err != nil {
					failure = err
					break
				}
				part.Release()
			}
			var refused *RequestError
			require.ErrorAs(t, failure, &refused)
			require.Equal(t, c.status, refused.Status, failure)
			if c.status == 413 {
				require.ErrorIs(t, failure, chanio.ErrTooLarge)
			}
		})
	}
	for _, kind := range []string{"text/plain", "multipart/mixed; boundary=b", ""} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Content-Type", kind)
		_, err := Multipart(httptest.NewRecorder(), r, nil)
		require.Equal(t, 415, statusOf(err))
	}
	for length, want := range map[int]int{70: 0, 71: 400} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+strings.Repeat("b", length))
		_, err := Multipart(httptest.NewRecorder(), r, nil)
		require.Equal(t, want, statusOf(err))
	}
}

func TestFileNamesOfPartsAreBaseNames(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "/etc/passwd": "passwd", `C:\dir\a.txt`: "a.txt", "..": "", "a/..": "", ".": "", "": "", "a\x00b": "", "\x00b": "", "a/": "",
	} {
		require.Equal(t, want, baseName(name), name)
	}
}

func FuzzMultipart(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b--\r\n"))
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		cfg := &MultipartConfig{MaxParts: 10, MaxText: 100, MaxHead: 200}
		parts := partsOf(t, cfg, bytes.NewReader(body), "multipart/form-data; boundary=b")
		n := 0
		for part, err := range parts.Values(t.Context()) {
			if err != nil {
				break
			}
			n++
			require.NotEmpty(t, part.Name)
			require.LessOrEqual(t, len(part.Text), 100)
			require.Equal(t, part.FileName, baseName(part.FileName))
			part.Release()
		}
		require.LessOrEqual(t, n, 10)
	})
}
