package httpd

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
)

// TestReplyThatHasBegunIsNotAnsweredAgain resets the connection within a large reply from memory.
func TestReplyThatHasBegunIsNotAnsweredAgain(t *testing.T) {
	over := make(chan struct{})
	reply := replying(func() (Response, error) { return Bytes(make([]byte, 64<<20)), nil })
	handler := func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		reply.ServeHTTP(w, r)
	}
	answered := make(chan error, 1)
	addr := start(t, http.HandlerFunc(handler), &Config{Error: func(_ http.ResponseWriter, _ *http.Request, err error) { answered <- err }})
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	_, err = io.ReadFull(in, make([]byte, 1000))
	require.NoError(t, err)
	require.NoError(t, nc.(*net.TCPConn).SetLinger(0))
	require.NoError(t, nc.Close())
	<-over
	require.Empty(t, answered)
}

// bare is a ResponseWriter without Flush, deadlines and Unwrap.
type bare struct{ http.ResponseWriter }

// TestEventsThatTheServerCannotSendAreAnError requests events from a net/http server behind a middleware that hides what
// they need.
func TestEventsThatTheServerCannotSendAreAnError(t *testing.T) {
	topic := sse.NewTopic(nil)
	defer func() { _ = topic.Close() }()
	for name, handler := range map[string]http.Handler{
		"stream": EventStream(func(context.Context, *chanio.Sink[sse.Event]) error { return nil }, nil),
		"topic":  ServeTopic(topic, nil),
		"retry":  EventStream(func(context.Context, *chanio.Sink[sse.Event]) error { return nil }, &EventsConfig{Retry: time.Second}),
	} {
		get := func(t *testing.T, timeout time.Duration) (resp *http.Response, said string, err error) {
			var logged bytes.Buffer
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(bare{w}, r) }))
			srv.Config.WriteTimeout, srv.Config.ErrorLog = timeout, log.New(&logged, "", 0)
			srv.Start()
			resp, err = srv.Client().Get(srv.URL)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, resp.Body.Close())
			}
			srv.Close()
			return resp, logged.String(), err
		}
		t.Run(name+" without deadlines", func(t *testing.T) {
			resp, said, err := get(t, time.Minute)
			require.NoError(t, err)
			require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
			require.Contains(t, said, "no write deadline")
		})
		t.Run(name+" without Flush", func(t *testing.T) {
			_, said, err := get(t, 0)
			require.Error(t, err)
			require.Contains(t, said, http.ErrNotSupported.Error())
		})
	}
}

// TestRetryThatNoEventCanHaveCutsTheReply has a Retry of a part of a millisecond, which the protocol does not have.
func TestRetryThatNoEventCanHaveCutsTheReply(t *testing.T) {
	addr := start(t, EventStream(func(context.Context, *chanio.Sink[sse.Event]) error { return nil },
		&EventsConfig{Retry: 1500 * time.Microsecond}), nil)
	for version, client := range clients(t) {
		resp, err := client.Get("http://" + addr)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, resp.Body.Close())
		}
		require.Error(t, err, version)
	}
}
