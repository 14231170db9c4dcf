package httpd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// late answers a GET in two pieces, between which the test starts a shutdown, and then a POST.
type late struct {
	conns                 chan *conn
	begun, finish, second chan struct{}
}

func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "x")
		w.(http.Flusher).Flush() // the reply keeps the connection
		l.wait(w.(*response).conn)
		_, _ = io.WriteString(w, "y")
		return
	}
	close(l.second)
	body, err := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "%s %v", body, err)
}

func (l *late) native(ctx context.Context, x Exchange) error {
	if x.Method() == http.MethodGet {
		_ = x.Begin(http.StatusOK, typeText, 2)
		_, _ = x.Write([]byte("x"))
		_ = x.Flush(ctx)
		l.wait(x.state.conn)
		_, err := x.Write([]byte("y"))
		return err
	}
	close(l.second)
	body, err := x.ReadBody(ctx, 100)
	return x.Reply(http.StatusOK, typeText, fmt.Appendf(nil, "%s %v", body, err))
}

func (l *late) wait(c *conn) {
	l.conns <- c
	close(l.begun)
	<-l.finish
}

// A request of which a part has arrived when an idle connection is told of a shutdown is served with its whole body.
func TestShutdownServesARequestThatIsArriving(t *testing.T) {
	servers := map[string]func(l *late) *Server{
		"http":   func(l *late) *Server { return New(l, nil) },
		"native": func(l *late) *Server { return NewNative(l.native, nil) },
		"native with HTTP": func(l *late) *Server {
			return NewNative(func(_ context.Context, x Exchange) error {
				l.ServeHTTP(x.HTTP())
				return nil
			}, nil)
		},
	}
	for name, create := range servers {
		for _, rest := range []string{"lo", "ello"} {
			t.Run(name+"/"+rest, func(t *testing.T) {
				l := &late{make(chan *conn, 1), make(chan struct{}), make(chan struct{}), make(chan struct{})}
				srv := create(l)
				shutDownBeside(t, l, startWith(t, srv), srv, rest)
			})
		}
	}
}

func shutDownBeside(t *testing.T, l *late, addr string, srv *Server, rest string) {
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	<-l.begun
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(t.Context()) }()
	for c := <-l.conns; !c.draining.Load(); {
		runtime.Gosched()
	}
	_, err = io.WriteString(nc, strings.TrimSuffix(post5, rest))
	require.NoError(t, err)
	close(l.finish)
	r, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, "xy", string(body))
	<-l.second
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
}
