package httpc

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestTunnelsLeaveNoRoomForOthers uses a connection of four streams with two tunnels. Of three requests without a
// stream, two use that connection and the third uses another one.
func TestTunnelsLeaveNoRoomForOthers(t *testing.T) {
	s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, _ []hpack.HeaderField) {
		if h, ok := frame.(*frames.HeadersFrame); ok {
			_ = f.WriteSettings(frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: 4})
			writeHead(f, h.StreamID, false, ":status", "200")
		}
	})
	c := newClient(t, &Config{Protocols: h2c()})
	one, err := c.Connect(t.Context(), s.url, "a.example:443")
	require.NoError(t, err)
	two, err := c.Connect(t.Context(), s.url, "a.example:443")
	require.NoError(t, err)
	take := func() *mux {
		hr, err := (&Request{URL: s.url}).build(t.Context(), &c.t.cfg)
		require.NoError(t, err)
		x, err := c.t.prepare(hr)
		require.NoError(t, err)
		got, err := c.t.pool.get(x)
		require.NoError(t, err)
		return got.(*mux)
	}
	first, second, third := take(), take(), take()
	require.Same(t, first, second)
	require.NotSame(t, first, third)
	require.Equal(t, 2, c.Stats()[0].Open)
	for _, m := range []*mux{first, second, third} {
		m.giveBack()
	}
	one.Abort(nil)
	two.Abort(nil)
}

// TestSharedConnectionThatIsFullIsNotWaitedFor uses two hosts limited to one connection each, and a server that accepts
// one stream at a time. The second host shares the connection of the first while it has room, gets its own connection
// when it has none, and then waits.
func TestSharedConnectionThatIsFullIsNotWaitedFor(t *testing.T) {
	hold := make(chan struct{})
	started := make(chan string, 8)
	s := serveHostsOf(t, func(srv *httptest.Server) {
		srv.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1}
	}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			started <- r.Host
			<-hold
		}
		_, _ = io.WriteString(w, r.Host)
	})
	cfg := sharing(t, nil)
	cfg.MaxPerHost = 1
	c := newClient(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	text(t, c, s.url("a.example.com"))
	text(t, c, s.url("b.example.com"))
	require.EqualValues(t, 1, s.conns.Load(), "it is shared")
	done := make(chan error, 8)
	get := func(host, path string) {
		go func() {
			_, err := c.Get(ctx, s.url(host)+path)
			done <- err
		}()
	}
	get("a.example.com", "hold")
	<-started
	get("b.example.com", "hold")
	<-started
	require.EqualValues(t, 2, s.conns.Load(), "one of its own")
	for range 2 {
		get("a.example.com", "")
		get("b.example.com", "")
	}
	require.Empty(t, done, "the limits hold")
	close(hold)
	for range 6 {
		require.NoError(t, <-done)
	}
	require.EqualValues(t, 2, s.conns.Load())
}
