package httpd

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/sse"
)

// timedWriter is a ResponseWriter that remembers its write deadline, and which one its last flush had.
type timedWriter struct {
	http.ResponseWriter
	deadline, flushed time.Time
}

func (w *timedWriter) Write(p []byte) (int, error) { return len(p), nil }

func (w *timedWriter) FlushError() error {
	w.flushed = w.deadline
	return nil
}

func (w *timedWriter) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

// TestEventsHaveNoDeadlineBetweenWrites would else end a stream of net/http over HTTP/2, which resets a stream at its
// deadline, even if nothing is written.
func TestEventsHaveNoDeadlineBetweenWrites(t *testing.T) {
	w := &timedWriter{ResponseWriter: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.ProtoMajor, r.ProtoMinor = 2, 0
	idle := func() {
		t.Helper()
		require.True(t, w.deadline.IsZero(), w.deadline)
		require.False(t, w.flushed.IsZero())
		w.flushed = time.Time{}
	}
	events, err := Events(w, r, &EventsConfig{Heartbeat: -1})
	require.NoError(t, err)
	idle()
	require.NoError(t, events.Send(t.Context(), sse.Event{Data: "a"}))
	idle()
	uncork := events.Cork()
	require.NoError(t, events.Send(t.Context(), sse.Event{Data: "a"}))
	require.True(t, w.deadline.IsZero())
	uncork()
	idle()
	require.NoError(t, events.Close())
}

// TestCorkedEventsAreFlushedWithinANewDeadline holds a cork for longer than a write may take.
func TestCorkedEventsAreFlushedWithinANewDeadline(t *testing.T) {
	for _, end := range []string{"uncork", "close"} {
		t.Run(end, func(t *testing.T) {
			w := &timedWriter{ResponseWriter: httptest.NewRecorder()}
			events, err := Events(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), &EventsConfig{Heartbeat: -1})
			require.NoError(t, err)
			uncork := events.Cork()
			require.NoError(t, events.Send(t.Context(), sse.Event{Data: "a"}))
			w.deadline = past // it has passed meanwhile
			if end == "uncork" {
				uncork()
			}
			require.NoError(t, events.Close())
			require.True(t, w.flushed.After(time.Now()), w.flushed)
		})
	}
}

// TestEventsThatAreAbortedHaveNoNewDeadline aborts a stream, itself or by a Live, just before a write sets its deadline.
// The write would else last until that.
func TestEventsThatAreAbortedHaveNoNewDeadline(t *testing.T) {
	for name, cut := range map[string]func(*eventWriter){
		"abort": func(s *eventWriter) { _ = s.deadline.cut() },
		"live":  func(s *eventWriter) { s.deadline.cutByLive() },
	} {
		t.Run(name, func(t *testing.T) {
			w := &timedWriter{ResponseWriter: httptest.NewRecorder()}
			s, err := newEventWriter(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), nil)
			require.NoError(t, err)
			cut(s)
			require.NoError(t, s.arm())
			require.Equal(t, past, w.deadline)
		})
	}
}
