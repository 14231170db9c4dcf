package httpc

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// eventBubble runs test in a synctest bubble with a server of handler, and a Client that dials it as http://server.
func eventBubble(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		ln, err := network.Listen("server")
		require.NoError(t, err)
		srv := &http.Server{Handler: handler}
		go func() { _ = srv.Serve(ln) }() // returns after Close
		c := New(&Config{Dial: func(ctx context.Context, _ string, cfg *chanio.ConnConfig) (*chanio.Conn, error) {
			nc, err := network.DialContext(ctx, "mem", "server")
			if err != nil {
				return nil, err
			}
			return chanio.NewConn(nc, cfg), nil
		}})
		test(t, c)
		require.NoError(t, c.Close())
		_ = srv.Close()
	})
}

// TestCommentsEndTheSilence has a server send comments, and an event after a minute.
func TestCommentsEndTheSilence(t *testing.T) {
	asked := 0
	eventBubble(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for range 6 {
			_, _ = io.WriteString(w, ":\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Second)
		}
		_, _ = io.WriteString(w, "data: a\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(t *testing.T, c *Client) {
		start := time.Now()
		events, err := c.Events(t.Context(), "http://server/", &EventsConfig{Silence: 15 * time.Second})
		require.NoError(t, err)
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a", e.Data)
		require.Equal(t, time.Minute, time.Since(start))
		require.NoError(t, events.Close())
	})
	require.Equal(t, 1, asked)
}

// TestRetryOfZeroIsHeeded: 0 is a reconnection time, not none.
func TestRetryOfZeroIsHeeded(t *testing.T) {
	eventBubble(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 0\ndata: a\n\n")
	}, func(t *testing.T, c *Client) {
		events, err := c.Events(t.Context(), "http://server/", nil)
		require.NoError(t, err)
		_, err = events.Recv(t.Context())
		require.NoError(t, err)
		start := time.Now()
		_, err = events.Recv(t.Context())
		require.NoError(t, err)
		require.Less(t, time.Since(start), firstPause/2, "the least pause without it")
		require.NoError(t, events.Close())
	})
}
