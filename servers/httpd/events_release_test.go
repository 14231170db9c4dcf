package httpd

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/sse"
)

// heldWriter is a ResponseWriter whose writes wait until they are let go. It must not be used once it is over.
type heldWriter struct {
	http.ResponseWriter
	began, letGo chan struct{}
	holds        atomic.Bool
	writing      atomic.Bool
	over         atomic.Bool
	used         atomic.Bool // after its end
}

func (w *heldWriter) Write(p []byte) (int, error) {
	w.writing.Store(true)
	defer w.writing.Store(false)
	if w.holds.Load() {
		close(w.began)
		<-w.letGo
	}
	return len(p), nil
}

func (w *heldWriter) Flush() {}

func (w *heldWriter) SetWriteDeadline(time.Time) error {
	if w.over.Load() {
		w.used.Store(true)
	}
	return nil
}

func newHeldWriter() *heldWriter {
	return &heldWriter{ResponseWriter: httptest.NewRecorder(), began: make(chan struct{}), letGo: make(chan struct{})}
}

// TestEventsOfAClientThatHasGoneEndAfterAWrite has another goroutine write while the client disconnects. When Close
// returns, the write is over: the server gives the ResponseWriter's memory to other requests.
func TestEventsOfAClientThatHasGoneEndAfterAWrite(t *testing.T) {
	w := newHeldWriter()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, err := Events(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), nil)
	require.NoError(t, err)
	w.holds.Store(true)
	sent := make(chan error, 1)
	go func() { sent <- events.Send(t.Context(), sse.Event{Data: "a"}) }()
	<-w.began
	cancel()
	closed := make(chan bool, 1)
	go func() {
		_ = events.Close()
		closed <- w.writing.Load()
	}()
	go func() {
		<-events.Done()
		_ = events.Close()
		closed <- w.writing.Load()
	}()
	time.AfterFunc(50*time.Millisecond, func() { close(w.letGo) })
	require.False(t, <-closed, "a write is in progress")
	require.False(t, <-closed, "a write is in progress")
	<-sent
}

// TestLiveDoesNotInterruptEventsThatHaveEnded aborts a stream of events whose handler returns, as a Shutdown does whose ctx
// ends at that time. On a connection that is kept alive it would interrupt the reply to the next request.
func TestLiveDoesNotInterruptEventsThatHaveEnded(t *testing.T) {
	w := newHeldWriter()
	var live Live
	events, err := Events(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), &EventsConfig{Live: &live})
	require.NoError(t, err)
	require.Equal(t, 1, live.Len())
	var stream liveStream
	for stream = range live.all {
	}
	require.NoError(t, events.Close())
	w.over.Store(true) // the handler returns
	stream.abort()
	require.False(t, w.used.Load())
}

// TestShutdownOfALiveAbortsNoStreamThatHasEnded has streams that have ended by the time at which ctx ends.
func TestShutdownOfALiveAbortsNoStreamThatHasEnded(t *testing.T) {
	var live Live
	over := make(chan struct{})
	close(over)
	streams := make([]*endedStream, 50)
	for i := range streams {
		streams[i] = &endedStream{over: over}
		live.enter(streams[i])
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, live.Shutdown(ctx))
	for _, s := range streams {
		require.False(t, s.aborted)
	}
}

type endedStream struct {
	over    chan struct{}
	aborted bool
}

func (s *endedStream) goAway()               {}
func (s *endedStream) done() <-chan struct{} { return s.over }
func (s *endedStream) abort()                { s.aborted = true }
