package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestGetByWayOfAProxy(t *testing.T) {
	origin := webtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello by "+r.Header.Get("Via"))
	}))
	passing := &http.Transport{}
	t.Cleanup(passing.CloseIdleConnections)
	proxy := webtest.Serve(t, &httputil.ReverseProxy{Transport: passing, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL = r.In.URL // which has the host
		r.Out.Header.Set("Via", "proxy for "+r.In.Header.Get("Proxy-Authorization"))
	}})
	var out bytes.Buffer
	withUser := strings.Replace(proxy, "://", "://me:pass@", 1)
	require.NoError(t, get(t.Context(), withUser, origin, &out))
	require.Equal(t, "hello by proxy for Basic bWU6cGFzcw==", out.String())
	out.Reset()
	require.NoError(t, get(t.Context(), "none", origin, &out))
	require.Equal(t, "hello by ", out.String())
	require.Error(t, get(t.Context(), "gopher://a", origin, &out))
}
