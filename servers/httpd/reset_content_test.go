package httpd

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/http2"
)

// TestResetContentHasNoBody holds for every form of a reply: RFC 9110 15.3.6. Unlike 204 it needs a length.
func TestResetContentHasNoBody(t *testing.T) {
	handlers := map[string]http.Handler{
		"writer": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(http.StatusResetContent)
			_, err := io.WriteString(w, "hello")
			require.Equal(t, http.ErrBodyNotAllowed, err)
		}),
		"flushed": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusResetContent)
			w.(http.Flusher).Flush()
		}),
		"empty": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusResetContent) }),
		"value": Reply(func(context.Context, *http.Request) (Response, error) {
			return Text("hello").WithStatus(http.StatusResetContent), nil
		}),
	}
	for name, h := range handlers {
		t.Run(name, func(t *testing.T) {
			addr := start(t, h, nil)
			over2(ask2("GET"), true, func(t *testing.T, s *http2.Stream) {
				head, err := s.Head(t.Context())
				require.NoError(t, err)
				require.Equal(t, http.StatusResetContent, head.Status)
				_, err = s.In.Read(t.Context(), make([]byte, 1))
				require.Equal(t, io.EOF, err)
			})(t, addr)
			for _, version := range []string{"1.0", "1.1"} {
				got := rawReply(t, addr, "GET / HTTP/"+version+"\r\nHost: a\r\nConnection: close\r\n\r\n")
				require.Contains(t, got, " 205 Reset Content\r\n")
				require.Contains(t, got, "Content-Length: 0\r\n")
				require.NotContains(t, got, "hello")
			}
		})
	}
}
