package httpd

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConnectionIsKeptWhenTheExpectedBodyHasBeenRead has clients that send the body without waiting for 100 Continue. A
// body that was read before the head of the reply was sent is no request, so the connection can be kept.
func TestConnectionIsKeptWhenTheExpectedBodyHasBeenRead(t *testing.T) {
	all := func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		kept    bool
	}{
		"read":            {func(_ http.ResponseWriter, r *http.Request) { all(r) }, true},
		"100, then read":  {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(100); all(r) }, true},
		"head, then read": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(202); all(r) }, true},
		"head, then some": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(202); _, _ = r.Body.Read(make([]byte, 1)) }, false},
		"nothing":         {func(http.ResponseWriter, *http.Request) {}, false},
		"head":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, false},
		"flush, then read": {func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			_, _ = rc.EnableFullDuplex(), rc.Flush()
			all(r)
		}, false},
	} {
		handler := func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				tt.handler(w, r)
			}
		}
		bodies := map[string]string{"sized": "Content-Length: 5\r\n\r\nhello", "chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}
		for kind, body := range bodies {
			addr := start(t, http.HandlerFunc(handler), nil)
			got := rawReply(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"+body+getLine)
			replies := strings.Count(got, "HTTP/1.1 ") - strings.Count(got, "HTTP/1.1 100 ")
			require.Equal(t, tt.kept, replies == 2, "%s %s: %q", name, kind, got)
			require.Equal(t, tt.kept, !strings.Contains(got, "Connection: close\r\n"), "%s %s: %q", name, kind, got)
		}
	}
}

func TestNativeConnectionIsKeptWhenTheExpectedBodyHasBeenRead(t *testing.T) {
	addr, over := startNative(t, func(ctx context.Context, x Exchange) error {
		if err := x.Begin(202, "", 5); err != nil {
			return err
		}
		body := []byte("hello")
		if x.Method() == http.MethodPost {
			var err error
			if body, err = x.ReadBody(ctx, 10); err != nil {
				return err
			}
		}
		_, err := x.Write(body)
		return err
	}, nil)
	for _, addr := range []string{addr, over} {
		got := rawReply(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"+getLine)
		require.Equal(t, 2, strings.Count(got, "HTTP/1.1 202 "), got)
	}
}
