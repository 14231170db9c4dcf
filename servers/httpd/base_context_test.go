package httpd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEndOfTheBaseContextEndsOnlyContexts ends it while a handler runs, which then reads the body and sends a long reply.
func TestEndOfTheBaseContextEndsOnlyContexts(t *testing.T) {
	reason := errors.New("maintenance")
	long := strings.Repeat("x", 8<<20)
	for version, client := range clients(t) {
		t.Run(version, func(t *testing.T) {
			base, cancel := context.WithCancelCause(context.Background())
			begun, causes := make(chan struct{}, 2), make(chan error, 2)
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				begun <- struct{}{}
				<-r.Context().Done()
				causes <- context.Cause(r.Context())
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				_, _ = io.WriteString(w, string(body)+long)
			}), &Config{BaseContext: func(net.Listener) context.Context { return base }})
			ask := func(body io.Reader) {
				resp, err := client.Post("http://"+addr, "text/plain", body)
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(resp.Body)
				if err != nil || len(text) != len("hello")+len(long) {
					t.Error(len(text), err)
				}
				_ = resp.Body.Close()
				if err := <-causes; err != reason {
					t.Error(err)
				}
			}
			body, w := io.Pipe()
			go func() {
				<-begun
				cancel(reason)
				_, _ = io.WriteString(w, "hello")
				_ = w.Close()
			}()
			ask(body)
			client.CloseIdleConnections()
			ask(strings.NewReader("hello")) // over a new connection
			require.Len(t, begun, 1)
		})
	}
}
