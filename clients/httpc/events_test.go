package httpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients/httpc"
)

// noPause is a Backoff without a pause.
func noPause(int) time.Duration { return 0 }

// eventsOf serves one answer for each request, and counts the requests.
func eventsOf(t *testing.T, answers ...http.HandlerFunc) (url string, asked *atomic.Int32, client *httpc.Client) {
	asked = new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1))
		answers[min(n, len(answers))-1](w, r)
	}))
	t.Cleanup(srv.Close)
	client = httpc.New(nil)
	t.Cleanup(func() { _ = client.Close() })
	return srv.URL, asked, client
}

func eventStream(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}
}

func TestEventsReconnectAndNameTheLastID(t *testing.T) {
	var lastIDs []string
	note := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			lastIDs = append(lastIDs, r.Header.Get("Last-Event-ID"))
			require.Equal(t, "text/event-stream", r.Header.Get("Accept"))
			require.Equal(t, "no-cache", r.Header.Get("Cache-Control"))
			h(w, r)
		}
	}
	url, _, c := eventsOf(t,
		note(eventStream("id: 1\ndata: a\n\nid: 2\n\ndata: cut short")),
		note(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }),
		note(eventStream("data: b\n\n")),
		note(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	failures := 0
	events, err := c.Events(t.Context(), url, &httpc.EventsConfig{Backoff: noPause, LastID: "0", OnError: func(error) { failures++ }})
	require.NoError(t, err)
	for _, want := range []string{"1 a", "2 b"} {
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, e.ID+" "+e.Data)
	}
	_, err = events.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	require.Equal(t, []string{"0", "2", "2", "2"}, lastIDs)
	require.Equal(t, 3, failures)
}

func TestAnswersThatEndEvents(t *testing.T) {
	url, asked, c := eventsOf(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	events, err := c.Events(t.Context(), url, nil)
	require.NoError(t, err)
	_, err = events.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	require.EqualValues(t, 1, asked.Load())

	url, _, c = eventsOf(t, http.NotFound)
	_, err = c.Events(t.Context(), url, nil)
	var status *httpc.StatusError
	require.ErrorAs(t, err, &status)

	url, _, c = eventsOf(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "data: a\n\n") })
	_, err = c.Events(t.Context(), url, nil)
	require.ErrorContains(t, err, "text/event-stream")

	url, asked, c = eventsOf(t, eventStream("data: a\n\n"), http.NotFound)
	events, err = c.Events(t.Context(), url, &httpc.EventsConfig{Backoff: noPause})
	require.NoError(t, err)
	_, err = events.Recv(t.Context())
	require.NoError(t, err)
	_, err = events.Recv(t.Context())
	require.ErrorAs(t, err, &status)
	require.EqualValues(t, 2, asked.Load())

	url, asked, c = eventsOf(t, eventStream(""))
	events, err = c.Events(t.Context(), url, &httpc.EventsConfig{Backoff: noPause, MaxAttempts: 3})
	require.NoError(t, err)
	_, err = events.Recv(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.EqualValues(t, 3, asked.Load())
}

func TestServersRetryIsHeeded(t *testing.T) {
	url, asked, c := eventsOf(t, eventStream("retry: 100000\ndata: a\n\n"))
	events, err := c.Events(t.Context(), url, nil)
	require.NoError(t, err)
	_, err = events.Recv(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = events.Recv(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualValues(t, 1, asked.Load())
	require.NoError(t, events.Close())
}

// TestEventsEndWhileNothingComes closes a Source, and cancels the ctx of another, while a receiver waits.
func TestEventsEndWhileNothingComes(t *testing.T) {
	idle := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	url, _, c := eventsOf(t, idle)
	cause := errors.New("the end of ctx")
	for range 20 {
		for name, want := range map[string]error{"close": net.ErrClosed, "ctx": cause, "ctx of Recv too": cause} {
			ctx, cancel := context.WithCancelCause(t.Context())
			events, err := c.Events(ctx, url, nil)
			require.NoError(t, err, name)
			on := context.Background()
			if name == "ctx of Recv too" {
				on = ctx
			}
			failed := make(chan error, 1)
			go func() {
				_, err := events.Recv(on)
				failed <- err
			}()
			if name == "close" {
				require.NoError(t, events.Close())
			}
			cancel(cause)
			require.ErrorIs(t, <-failed, want, name)
			<-events.Done()
			require.ErrorIs(t, events.Err(), want, name)
		}
	}
}

func TestSilentStreamIsAskedForAgain(t *testing.T) {
	url, asked, c := eventsOf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, eventStream("data: alive\n\n"))
	events, err := c.Events(t.Context(), url, &httpc.EventsConfig{Backoff: noPause, Silence: 20 * time.Millisecond})
	require.NoError(t, err)
	e, err := events.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "alive", e.Data)
	require.GreaterOrEqual(t, asked.Load(), int32(2), "a slow machine may be silent once more")
	require.NoError(t, events.Close())
}

func TestContentTypesThatAreEvents(t *testing.T) {
	for contentType, ok := range map[string]bool{
		"text/event-stream": true, "text/event-stream;": true, "TEXT/Event-Stream": true,
		"text/event-stream;charset=windows-1252": true, "text/event-stream; charset": true,
		"": false, "text/x-bogus": false, "x bogus": false, "text/event-stream-2": false, "text/plain; a=text/event-stream": false,
	} {
		url, _, c := eventsOf(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{contentType}
			_, _ = io.WriteString(w, "data: ok…\n\n")
		})
		events, err := c.Events(t.Context(), url, nil)
		if !ok {
			require.Error(t, err, contentType)
			continue
		}
		require.NoError(t, err, contentType)
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "ok…", e.Data, "whatever the charset says")
		require.NoError(t, events.Close())
	}
}

// TestLastEventIDIsSentAsItCame uses an ID that is not ASCII, one that an empty ID resets, and one with NUL.
func TestLastEventIDIsSentAsItCame(t *testing.T) {
	for stream, want := range map[string][]string{
		"id: …\ndata: a\n\n":                       {"…"},
		"id:  1 \ndata: a\n\n":                     {"1"}, // spaces around a field's value do not count
		"id: 1\ndata: a\n\nid\ndata: b\n\n":        nil,
		"id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n": {"1"},
		"id: 1\ndata: a\n\nid: 2\ndata: cut":       {"1"},
	} {
		sent := make(chan []string, 1)
		url, _, c := eventsOf(t, eventStream(stream), func(w http.ResponseWriter, r *http.Request) {
			sent <- r.Header["Last-Event-Id"]
			w.WriteHeader(http.StatusNoContent)
		})
		events, err := c.Events(t.Context(), url, &httpc.EventsConfig{Backoff: noPause})
		require.NoError(t, err)
		for err == nil {
			_, err = events.Recv(t.Context())
		}
		require.Equal(t, io.EOF, err)
		require.Equal(t, want, <-sent, "%q", stream)
	}
}

func TestEventsFollowRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		url, asked, c := eventsOf(t,
			func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", status) },
			eventStream("data: a\n\n"))
		events, err := c.Events(t.Context(), url, nil)
		require.NoError(t, err, status)
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a", e.Data)
		require.EqualValues(t, 2, asked.Load())
		require.NoError(t, events.Close())
	}
}

// watched is a ctx that does not end and counts the functions registered with it.
type watched struct {
	context.Context
	done       chan struct{}
	registered atomic.Int32
}

func (c *watched) Done() <-chan struct{} { return c.done }

func (c *watched) AfterFunc(func()) (stop func() bool) {
	c.registered.Add(1)
	return sync.OnceValue(func() bool { return c.registered.Add(-1) >= 0 })
}

// TestAttemptsThatFailLeaveNothingInTheContext reconnects several times within one ctx.
func TestAttemptsThatFailLeaveNothingInTheContext(t *testing.T) {
	busy := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	url, asked, c := eventsOf(t, eventStream("data: a\n\n"), busy, cut, cut, cut, cut, cut, cut, busy, eventStream("data: b\n\n"))
	failures := 0
	events, err := c.Events(t.Context(), url, &httpc.EventsConfig{Backoff: noPause, OnError: func(error) { failures++ }})
	require.NoError(t, err)
	ctx := &watched{Context: t.Context(), done: make(chan struct{})}
	for _, want := range []string{"a", "b"} {
		e, err := events.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, want, e.Data)
	}
	require.EqualValues(t, 10, asked.Load())
	require.Greater(t, failures, 3)
	require.LessOrEqual(t, ctx.registered.Load(), int32(1), "of a wait at most")
	require.NoError(t, events.Close())
}

// TestLastEventIDThatCannotBeSent receives an ID with control characters, which no field may have. Trying again would
// never help.
func TestLastEventIDThatCannotBeSent(t *testing.T) {
	for _, id := range []string{"a\x01b", "\x7f"} {
		url, asked, c := eventsOf(t, eventStream("id: "+id+"\ndata: a\n\n"))
		events, err := c.Events(t.Context(), url, &httpc.EventsConfig{Backoff: noPause})
		require.NoError(t, err)
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, id, e.ID)
		for range 2 {
			_, err = events.Recv(t.Context())
			require.ErrorContains(t, err, "Last-Event-ID")
		}
		require.EqualValues(t, 1, asked.Load())
		_, err = c.Events(t.Context(), url, &httpc.EventsConfig{LastID: id})
		require.ErrorContains(t, err, "Last-Event-ID")
	}
}

// A stream that ends before its first event with an ID is resumed from where the one before was (EventSource/eventsource
// 27, modelcontextprotocol/typescript-sdk 2809).
func TestResumedStreamThatEndsEarlyIsResumedFromTheSamePlace(t *testing.T) {
	var asked []string
	note := func(stream string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Header.Get("Last-Event-ID"))
			eventStream(stream)(w, r)
		}
	}
	url, _, c := eventsOf(t, note(""), note("data: a\n\n"), note(":\n\n"), note("id: 8\ndata: b\n\n"), note("id: 9\n\n"), note("data: c\n\n"))
	events, err := c.Events(t.Context(), url, &httpc.EventsConfig{LastID: "7", Backoff: noPause})
	require.NoError(t, err)
	for _, want := range []string{"7 a", "8 b", "9 c"} {
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, e.ID+" "+e.Data)
	}
	require.NoError(t, events.Close())
	require.Equal(t, []string{"7", "7", "7", "7", "8", "9"}, asked)
}
