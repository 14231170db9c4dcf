package httpd

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUnreadBodiesCostNoCreditOfTheirConnection has handlers that leave or close a body, as in the issues 28204, 28634,
// 40423 and 42983 of golang/go. The body of a later request then arrives completely.
func TestUnreadBodiesCostNoCreditOfTheirConnection(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"closed": func(_ http.ResponseWriter, r *http.Request) { _ = r.Body.Close() },
		"left":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) },
		"read in part": func(w http.ResponseWriter, r *http.Request) {
			_, _ = r.Body.Read(make([]byte, 1))
			_ = r.Body.Close()
			w.WriteHeader(http.StatusBadRequest)
		},
		"too long": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
		},
		"aborted": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/last" {
					n, err := io.Copy(io.Discard, r.Body)
					_, _ = fmt.Fprint(w, n, err)
					return
				}
				handle(w, r)
			}), nil)
			client := h2client(t)
			for range 12 { // more than the window of the connection
				if resp, err := client.Post("http://"+addr, "", bytes.NewReader(make([]byte, 300_000))); err == nil {
					_, _ = io.ReadAll(resp.Body) // may be cut
					_ = resp.Body.Close()
				}
			}
			resp, err := client.Post("http://"+addr+"/last", "", bytes.NewReader(make([]byte, 3_000_000)))
			require.NoError(t, err)
			got, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, "3000000 <nil>", string(got))
		})
	}
}

// TestReplyIsNotHeldBackByHalfARequestBehindIt has a client that waits for the reply before it sends the rest, as in
// issue 1043 of valyala/fasthttp.
func TestReplyIsNotHeldBackByHalfARequestBehindIt(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }), nil)
	for _, half := range []string{"}}", "GET / HTTP/1.1\r\nHost", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"} {
		nc, in := dial(t, addr)
		_, err := io.WriteString(nc, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"+half)
		require.NoError(t, err)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
	}
}
