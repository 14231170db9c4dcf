package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers/httpd"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func serve(t *testing.T, handler http.Handler) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- httpd.New(handler, nil).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	return "http://" + ln.Addr().String()
}

func TestGetByWayOfAProxy(t *testing.T) {
	origin := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello by "+r.Header.Get("Via"))
	}))
	passing := &http.Transport{}
	t.Cleanup(passing.CloseIdleConnections)
	proxy := serve(t, &httputil.ReverseProxy{Transport: passing, Rewrite: func(r *httputil.ProxyRequest) {
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
