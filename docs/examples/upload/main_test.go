package main

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

var text = strings.Repeat("a line of text\n", 20000)

// form is a form with a field of text and a file.
func form(t *testing.T, fileName string) (body io.Reader, kind string) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	err := m.WriteField("note", "hello")
	file, failure := m.CreateFormFile("file", fileName)
	require.NoError(t, errors.Join(err, failure))
	_, err = io.WriteString(file, text)
	require.NoError(t, errors.Join(err, m.Close()))
	return &b, m.FormDataContentType()
}

func serve(t *testing.T) (url, dir string) {
	dir = t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	return webtest.Serve(t, routes(root)), dir
}

func TestFileIsStored(t *testing.T) {
	url, dir := serve(t)
	body, kind := form(t, "../a.txt")
	resp, err := http.Post(url+"/store", kind, body)
	require.NoError(t, err)
	status, reply := webtest.Read(t, resp)
	require.Equal(t, 200, status)
	require.Equal(t, "a.txt: 300000 bytes\n", reply)
	stored, err := os.ReadFile(filepath.Join(dir, "a.txt"))
	require.NoError(t, err)
	require.Equal(t, text, string(stored))
}

func TestFileIsCounted(t *testing.T) {
	url, _ := serve(t)
	body, kind := form(t, "a.txt")
	resp, err := http.Post(url+"/count", kind, body)
	require.NoError(t, err)
	_, reply := webtest.Read(t, resp)
	require.Equal(t, "a.txt: 20000 lines\n", reply)
}

func TestNoForm(t *testing.T) {
	url, _ := serve(t)
	resp, err := http.Post(url+"/count", "text/plain", strings.NewReader("x"))
	require.NoError(t, err)
	status, _ := webtest.Read(t, resp)
	require.Equal(t, http.StatusUnsupportedMediaType, status)
}
