package httpd

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A request of which a part has arrived when an idle connection is told of a shutdown is served with its whole body.
func TestShutdownServesARequestThatIsArriving(t *testing.T) {
	for _, rest := range []string{"lo", "ello"} {
		t.Run(rest, func(t *testing.T) {
			conns := make(chan *conn, 1)
			begun, finish, second := make(chan struct{}), make(chan struct{}), make(chan struct{})
			addr, srv := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					w.Header().Set("Content-Length", "2")
					_, _ = io.WriteString(w, "x")
					w.(http.Flusher).Flush() // the reply keeps the connection
					conns <- w.(*response).conn
					close(begun)
					<-finish
					_, _ = io.WriteString(w, "y")
					return
				}
				close(second)
				body, err := io.ReadAll(r.Body)
				_, _ = fmt.Fprintf(w, "%s %v", body, err)
			}), nil)
			nc, in := dial(t, addr)
			_, err := io.WriteString(nc, getLine)
			require.NoError(t, err)
			<-begun
			done := make(chan error, 1)
			go func() { done <- srv.Shutdown(t.Context()) }()
			for c := <-conns; !c.draining.Load(); {
				runtime.Gosched()
			}
			_, err = io.WriteString(nc, strings.TrimSuffix(post5, rest))
			require.NoError(t, err)
			close(finish)
			r, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, "xy", string(body))
			<-second
			_, err = io.WriteString(nc, rest)
			require.NoError(t, err)
			r, err = http.ReadResponse(in, nil)
			require.NoError(t, err)
			body, err = io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, "hello <nil>", string(body))
			require.True(t, r.Close)
			require.NoError(t, nc.Close())
			require.NoError(t, <-done)
		})
	}
}
