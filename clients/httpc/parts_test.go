package httpc

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/http1"
)

// TestPartOfAnotherLengthEndsTheForm: the closing boundary would make a part that is cut look complete.
func TestPartOfAnotherLengthEndsTheForm(t *testing.T) {
	file := func(text string) Body {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, []byte("text"), 0o600))
		body := File(path)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return body
	}
	for name, k := range map[string]struct {
		parts []Part
		want  error
	}{
		"short":         {[]Part{{Name: "a", Body: Reader(readerOf("text"), 5)}}, http1.ErrBodyTooShort},
		"long":          {[]Part{{Name: "a", Body: Reader(readerOf("text"), 3)}}, http1.ErrBodyTooLong},
		"empty":         {[]Part{{Name: "a", Body: Reader(readerOf(""), 1)}}, http1.ErrBodyTooShort},
		"not empty":     {[]Part{{Name: "a", Body: Reader(readerOf("text"), 0)}}, http1.ErrBodyTooLong},
		"short file":    {[]Part{{Name: "a", FileName: "a", Body: file("tex")}}, http1.ErrBodyTooShort},
		"long file":     {[]Part{{Name: "a", FileName: "a", Body: file("text+")}}, http1.ErrBodyTooLong},
		"with progress": {[]Part{{Name: "a", Body: Reader(readerOf("text"), 5).WithProgress(func(int64) {})}}, http1.ErrBodyTooShort},
		"beside one of unknown length": {[]Part{
			{Name: "a", Body: Reader(readerOf("text"), 5)}, {Name: "b", Body: Reader(readerOf("text"), -1)},
		}, http1.ErrBodyTooShort},
		"of the right sum": {[]Part{
			{Name: "a", Body: Reader(readerOf("text"), 5)}, {Name: "b", Body: Reader(readerOf("text"), 3)},
		}, http1.ErrBodyTooShort},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan error, 1)
			url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				parts, err := r.MultipartReader()
				for err == nil {
					var p io.Reader
					if p, err = parts.NextPart(); err == nil {
						_, err = io.Copy(io.Discard, p)
					}
				}
				seen <- err
			})
			c := newClient(t, nil)
			_, err := c.Post(t.Context(), url, Multipart(k.parts...))
			require.ErrorIs(t, err, k.want)
			select {
			case err := <-seen:
				require.NotEqual(t, io.EOF, err, "the server has read a whole form")
			default: // the request may have failed before its head was sent
			}
		})
	}
}

// TestTypeOfAPartIsChecked: a Content-Type may come from somebody else, as that of a file which is passed on.
func TestTypeOfAPartIsChecked(t *testing.T) {
	for _, bad := range []string{"image/png\r\nX-Injected: 1", "a\nb", "a\rb", "a\x00b"} {
		require.Error(t, Multipart(Part{Name: "a", Body: Text("text").As(bad)}).err, "%q", bad)
	}
	require.NoError(t, Multipart(Part{Name: "a", Body: Text("text").As("text/x; a=\u00e9")}).err)
}
