package main

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func serve(t *testing.T) string {
	root, err := os.OpenRoot("public")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	return webtest.Serve(t, routes(root))
}

func TestIndex(t *testing.T) {
	status, body := webtest.Get(t, serve(t)+"/")
	require.Equal(t, 200, status)
	require.Contains(t, body, "httpd.Files")
}

func TestRange(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), "GET", serve(t)+"/numbers.txt", nil)
	require.NoError(t, err)
	r.Header.Set("Range", "bytes=2-5")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	status, body := webtest.Read(t, resp)
	require.Equal(t, 206, status)
	require.Equal(t, "2345", body)
}

func TestRegion(t *testing.T) {
	resp, err := http.Get(serve(t) + "/middle")
	require.NoError(t, err)
	require.EqualValues(t, 3, resp.ContentLength)
	_, body := webtest.Read(t, resp)
	require.Equal(t, "456", body)
}

func TestNothingOutsideIsServed(t *testing.T) {
	url := serve(t)
	for _, path := range []string{"/%2e%2e/main.go", "/..%2fmain.go", "/.hidden", "/none"} {
		status, _ := webtest.Get(t, url+path)
		require.Equal(t, 404, status, path)
	}
}
