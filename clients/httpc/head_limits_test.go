package httpc

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// tildes is the value of a field that HPACK does not shorten.
var tildes = strings.Repeat("~", 1000)

// serveHeads serves a head of fields of 1,000 bytes each over TLS. The path is their number.
func serveHeads(t *testing.T, http2 bool) string {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &n)
		for i := range n {
			w.Header().Set(fmt.Sprint("X-", i), tildes)
		}
	}))
	srv.EnableHTTP2 = http2
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestHeadsMayBeAsLongAsTheConfigSays reads heads that are longer than the defaults of internal/http2 and of Config.
func TestHeadsMayBeAsLongAsTheConfigSays(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		base := serveHeads(t, http2)
		for name, k := range map[string]struct {
			cfg    Config
			fields int
			want   error
		}{
			"the defaults":               {Config{}, 220, nil},
			"beyond the default MaxHead": {Config{MaxFields: 1000}, 280, chanio.ErrTooLarge},
			"a larger MaxHead":           {Config{MaxHead: 1 << 20, MaxFields: 1000}, 800, nil},
			"no MaxHead":                 {Config{MaxHead: -1, MaxFields: 1000}, 800, nil},
			"no MaxFields":               {Config{MaxHead: 1 << 20, MaxFields: -1}, 800, nil},
			"neither":                    {Config{MaxHead: -1, MaxFields: -1}, 800, nil},
		} {
			t.Run(fmt.Sprintf("%s, HTTP/2: %t", name, http2), func(t *testing.T) {
				k.cfg.Connect = trusting()
				c := newClient(t, &k.cfg)
				resp, err := c.Get(t.Context(), fmt.Sprint(base, "/", k.fields))
				if k.want != nil {
					require.ErrorIs(t, err, k.want)
					return
				}
				require.NoError(t, err)
				require.Equal(t, http2, resp.Proto == "HTTP/2.0")
				require.Equal(t, tildes, resp.Header.Get(fmt.Sprint("X-", k.fields-1)))
				require.NoError(t, resp.Close())
			})
		}
	}
}

// TestNegativeMaxDrainIsNone closes a body that is longer than the default early.
func TestNegativeMaxDrainIsNone(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n"
	inBubble(t, Config{MaxDrain: -1}, says(head+long(400000)), func(t *testing.T, c *Client, _ *atomic.Int64) {
		resp, err := c.Get(t.Context(), "http://a/")
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		require.Equal(t, 1, c.Stats()[0].Open)
	})
}
