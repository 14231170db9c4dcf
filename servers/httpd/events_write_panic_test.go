package httpd_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/servers/httpd"
)

// brokenWriter is the ResponseWriter of a middleware that panics, or calls runtime.Goexit, at the first Write.
type brokenWriter struct {
	http.ResponseWriter
	exits bool
}

func (b brokenWriter) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (b brokenWriter) Write([]byte) (int, error) {
	if b.exits {
		runtime.Goexit()
	}
	panic("broken")
}

func TestPanicOfAWriterAtAHeartbeatEndsItsStream(t *testing.T) {
	for name, exits := range map[string]bool{"panic": false, "Goexit": true} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 8)
			handler := httpd.EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
				<-ctx.Done()
				ended <- events.Err()
				return nil
			}, &httpd.EventsConfig{Heartbeat: time.Millisecond})
			broken := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handler.ServeHTTP(brokenWriter{w, exits}, r)
			})
			everywhere(t, broken, func(t *testing.T, url string, c *httpc.Client) {
				_, events := stream(t, c, url, "")
				_, err := events.Recv(within(t))
				require.Error(t, err)
				require.NotEqual(t, io.EOF, err, "the reply is cut off")
				var crash *chanio.PanicError
				require.ErrorAs(t, <-ended, &crash)
			})
		})
	}
}
