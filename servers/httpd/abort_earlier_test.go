package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// TestAbortKeepsEarlierReplies has two requests in one segment. The reply to the first is held back, because the second
// is at hand, whose handler ends the connection.
func TestAbortKeepsEarlierReplies(t *testing.T) {
	failing := func() (Response, error) {
		return Reader(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errors.New("intended")))), nil
	}
	handlers := map[string]http.HandlerFunc{
		"panic":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"reset":  func(w http.ResponseWriter, _ *http.Request) { _ = Reset(w, CodeCancel) },
		"exit":   func(http.ResponseWriter, *http.Request) { runtime.Goexit() },
		"reader": replying(failing).ServeHTTP,
	}
	natives := map[string]func(x Exchange) error{
		"native panic": func(Exchange) error { panic(http.ErrAbortHandler) },
		"native exit":  func(Exchange) error { runtime.Goexit(); return nil },
		"native reset": func(x Exchange) error { return x.Reset(CodeCancel) },
	}
	const raw = "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
	keeps := func(t *testing.T, srv *Server) {
		require.Contains(t, rawReply(t, startWith(t, srv), raw), "\r\n\r\nfirst")
	}
	for name, second := range handlers {
		t.Run(name, func(t *testing.T) {
			keeps(t, New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/" {
					second(w, r)
					return
				}
				_, _ = io.WriteString(w, "first")
			}), nil))
		})
	}
	for name, second := range natives {
		t.Run(name, func(t *testing.T) {
			keeps(t, NewNative(func(_ context.Context, x Exchange) error {
				if x.Target() == "/" {
					return second(x)
				}
				return x.Reply(http.StatusOK, "text/plain", []byte("first"))
			}, nil))
		})
	}
}
