package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestHello(t *testing.T) {
	url := webtest.Serve(t, routes())
	resp, err := http.Get(url + "/hello")
	require.NoError(t, err)
	require.Equal(t, "text/plain; charset=utf-8", resp.Header.Get("Content-Type"))
	require.EqualValues(t, 13, resp.ContentLength)
	status, body := webtest.Read(t, resp)
	require.Equal(t, 200, status)
	require.Equal(t, "hello world!\n", body)
}

func TestUnknownPath(t *testing.T) {
	status, body := webtest.Get(t, webtest.Serve(t, routes())+"/nothing")
	require.Equal(t, 404, status)
	require.Equal(t, "No such page.\n", body)
}
