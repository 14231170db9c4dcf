package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
)

func TestMain(m *testing.M) {
	chaniotest.Main(m)
}

func serve(t *testing.T) string {
	backend, err := url.Parse(webtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+string(body))
	})))
	require.NoError(t, err)
	return webtest.Serve(t, routes(backend))
}

func TestPatternsOfTheStandardMux(t *testing.T) {
	url := serve(t)
	resp, err := http.Get(url + "/users/7")
	require.NoError(t, err)
	require.Equal(t, "weir", resp.Header.Get("X-Served-By"))
	status, body := webtest.Read(t, resp)
	require.Equal(t, 200, status)
	require.Equal(t, "user 7\n", body)
	resp, err = http.Post(url+"/users/7", "text/plain", nil)
	require.NoError(t, err)
	require.Equal(t, "DELETE, GET, HEAD", resp.Header.Get("Allow"))
	status, _ = webtest.Read(t, resp)
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestReverseProxy(t *testing.T) {
	resp, err := http.Post(serve(t)+"/backend/some/path", "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
	_, body := webtest.Read(t, resp)
	require.Equal(t, "POST /some/path hello", body)
}
