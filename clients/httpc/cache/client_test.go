package cache_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/clients/httpc/cache"
)

// TestClientWithACache covers the functions of a Client around the cache: cookies, compression, all ways to read a
// body, and its http.Client.
func TestClientWithACache(t *testing.T) {
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Cache-Control", "max-age=1000")
		w.Header().Set("Vary", "Accept-Encoding")
		http.SetCookie(w, &http.Cookie{Name: "n", Value: r.URL.Path[1:]})
		_, _ = io.WriteString(w, strings.Repeat("line\n", 1000))
	}))
	t.Cleanup(srv.Close)
	c := httpc.New(&httpc.Config{Jar: httpc.NewJar()})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	c.Use(cache.New(cache.NewMemory(1<<20), nil).Middleware)
	want := strings.Repeat("line\n", 1000)
	for range 2 {
		for _, path := range []string{"/a", "/b"} {
			resp, err := c.Get(t.Context(), srv.URL+path)
			require.NoError(t, err)
			got, err := resp.Text(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	require.EqualValues(t, 2, asked.Load())
	resp, err := c.Get(t.Context(), srv.URL+"/a")
	require.NoError(t, err)
	lines := 0
	for line := range resp.Lines().All(t.Context()) {
		require.Equal(t, "line", line)
		lines++
	}
	require.Equal(t, 1000, lines)
	plain, err := c.HTTP().Get(srv.URL + "/b")
	require.NoError(t, err)
	got, err := io.ReadAll(plain.Body)
	require.NoError(t, err)
	require.NoError(t, plain.Body.Close())
	require.Equal(t, want, string(got))
	require.EqualValues(t, 2, asked.Load())

	hr, err := http.NewRequest(http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	require.Equal(t, "n=b", cookies(c, hr), "a stored response sets no cookie again")
}

// cookies returns the cookies that c would send.
func cookies(c *httpc.Client, r *http.Request) (text string) {
	for _, k := range c.HTTP().Jar.Cookies(r.URL) {
		text += k.String()
	}
	return text
}
