package httpd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/servers/httpd"
)

// stream requests a stream of events that starts after the event lastID.
func stream(t *testing.T, c *httpc.Client, url, lastID string) (*httpc.Response, *chanio.Source[sse.Event]) {
	h := http.Header{}
	if lastID != "" {
		h.Set("Last-Event-ID", lastID)
	}
	resp, err := c.Do(within(t), &httpc.Request{URL: strings.Replace(url, "ws", "http", 1), Header: h})
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Close() })
	require.Equal(t, 200, resp.Status)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	require.Equal(t, "no", resp.Header.Get("X-Accel-Buffering"))
	return resp, sse.Decode(resp.Body, nil)
}

func TestTopicsAreServedAndResumed(t *testing.T) {
	topic := sse.NewTopic(&sse.TopicConfig{Epoch: "e"})
	for i := range 5 {
		_, err := topic.Publish(t.Context(), sse.Event{Data: fmt.Sprint(i)})
		require.NoError(t, err)
	}
	everywhere(t, httpd.ServeTopic(topic, nil), func(t *testing.T, url string, client *httpc.Client) {
		ctx := within(t)
		resp, events := stream(t, client, url, "e-2")
		for i := 2; i < 5; i++ {
			e, err := events.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, sse.Event{ID: fmt.Sprint("e-", i+1), Data: fmt.Sprint(i)}, e)
		}
		require.NoError(t, resp.Close())
		require.Eventually(t, func() bool { return topic.Subscribers() == 0 }, waiting, time.Millisecond, "a client that has gone is noticed")
		_, events = stream(t, client, url+"?lastEventId=e-4", "")
		e, err := events.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "4", e.Data)
	})
}

func TestEventsLeaveAtOnceAndTheHandlersReturnEndsThem(t *testing.T) {
	next := make(chan string)
	handler := httpd.EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
		for s := range next {
			if s == "end" {
				return nil
			}
			if err := events.Send(ctx, sse.Event{Data: s}); err != nil {
				return err
			}
		}
		return nil
	}, &httpd.EventsConfig{Retry: 3 * time.Second})
	everywhere(t, handler, func(t *testing.T, url string, client *httpc.Client) {
		_, events := stream(t, client, url, "")
		for i := range 3 {
			next <- fmt.Sprint(i)
			e, err := events.Recv(within(t))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), e.Data)
		}
		next <- "end"
		_, err := events.Recv(within(t))
		require.Equal(t, io.EOF, err)
	})
}

func TestErrorOfAnEventStreamCutsTheReply(t *testing.T) {
	handler := httpd.EventStream(func(context.Context, *chanio.Sink[sse.Event]) error { return errors.New("broken") }, nil)
	url, _ := serveOurs(t, handler)
	_, events := stream(t, newClient(t, nil), "http"+url, "")
	_, err := events.Recv(within(t))
	require.Error(t, err)
	require.NotEqual(t, io.EOF, err)
}

func TestHeartbeatsComeWhileThereAreNoEvents(t *testing.T) {
	cfg := &httpd.EventsConfig{Heartbeat: time.Millisecond}
	for name, handler := range map[string]http.Handler{
		"topic": httpd.ServeTopic(sse.NewTopic(nil), cfg),
		"sink": httpd.EventStream(func(ctx context.Context, _ *chanio.Sink[sse.Event]) error {
			<-ctx.Done()
			return nil
		}, cfg),
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := serveOurs(t, handler)
			resp, err := newClient(t, nil).Get(within(t), "http"+url)
			require.NoError(t, err)
			in := bufio.NewReader(resp.Reader(within(t)))
			for range 3 {
				line, err := in.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, ":\n", line)
				_, err = in.ReadString('\n')
				require.NoError(t, err)
			}
			require.NoError(t, resp.Close())
		})
	}
}

func TestClientThatHasGoneEndsTheSink(t *testing.T) {
	ended := make(chan error, 1)
	handler := httpd.EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
		<-ctx.Done()
		<-events.Done()
		ended <- events.Err()
		return nil
	}, nil)
	everywhere(t, handler, func(t *testing.T, url string, client *httpc.Client) {
		resp, _ := stream(t, client, url, "")
		require.NoError(t, resp.Close())
		require.ErrorContains(t, <-ended, "gone")
	})
}

// TestServersWriteTimeoutDoesNotEndAStream sets a WriteTimeout of net/http's server that is shorter than the stream.
func TestServersWriteTimeoutDoesNotEndAStream(t *testing.T) {
	topic := sse.NewTopic(nil)
	srv := httptest.NewUnstartedServer(httpd.ServeTopic(topic, nil))
	srv.Config.WriteTimeout = 50 * time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close) // after that of the stream
	_, events := stream(t, newClient(t, nil), srv.URL, "")
	time.Sleep(100 * time.Millisecond) // the deadline of net/http uses the real clock
	_, err := topic.Publish(t.Context(), sse.Event{Data: "late"})
	require.NoError(t, err)
	e, err := events.Recv(within(t))
	require.NoError(t, err)
	require.Equal(t, "late", e.Data)
}

func TestShutdownSaysGoodbyeAndEnds(t *testing.T) {
	var live httpd.Live
	topic := sse.NewTopic(nil)
	cfg := &httpd.EventsConfig{Goodbye: sse.Event{Type: "bye"}, Live: &live}
	mux := http.NewServeMux()
	mux.Handle("/topic", httpd.ServeTopic(topic, cfg))
	mux.Handle("/sink", httpd.EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
		<-events.Done()
		return nil
	}, cfg))
	check := func(t *testing.T, url string, shutdown func(context.Context) error) {
		var all []*chanio.Source[sse.Event]
		for _, path := range []string{"/topic", "/sink"} {
			_, events := stream(t, newClient(t, nil), url+path, "")
			all = append(all, events)
		}
		done := make(chan error, 1)
		go func() { done <- shutdown(within(t)) }()
		for _, events := range all {
			e, err := events.Recv(within(t))
			require.NoError(t, err)
			require.Equal(t, "bye", e.Type)
			_, err = events.Recv(within(t))
			require.Equal(t, io.EOF, err)
		}
		require.NoError(t, <-done)
	}
	t.Run("httpd", func(t *testing.T) {
		url, srv := serveOurs(t, mux)
		check(t, "http"+url, srv.Shutdown)
	})
	t.Run("net/http", func(t *testing.T) {
		srv := httptest.NewServer(mux)
		defer srv.Close()
		check(t, srv.URL, live.Shutdown)
		require.Zero(t, live.Len())
	})
}

func TestEventsThatAreRefusedLeaveTheStreamAsItWas(t *testing.T) {
	url, _ := serveOurs(t, httpd.EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
		require.Error(t, events.Send(ctx, sse.Event{ID: "a\nb"}))
		n, err := events.SendAll(ctx, sse.Event{Data: "1"}, sse.Event{Data: "2"}, sse.Event{Type: "\r"})
		require.Error(t, err)
		require.Equal(t, 2, n)
		return nil
	}, nil))
	_, events := stream(t, newClient(t, nil), "http"+url, "")
	for _, want := range []string{"1", "2"} {
		e, err := events.Recv(within(t))
		require.NoError(t, err)
		require.Equal(t, want, e.Data)
	}
	_, err := events.Recv(within(t))
	require.Equal(t, io.EOF, err)
}

// TestGoodbyeFollowsABusyTopic shuts down while events follow each other without a pause.
func TestGoodbyeFollowsABusyTopic(t *testing.T) {
	for range 5 { // the fault showed in every second one
		topic := sse.NewTopic(nil)
		url, srv := serveOurs(t, httpd.ServeTopic(topic, &httpd.EventsConfig{Goodbye: sse.Event{Type: "bye"}}))
		_, events := stream(t, newClient(t, nil), "http"+url, "")
		ctx, cancel := context.WithCancel(within(t))
		published := make(chan struct{})
		go func() {
			defer close(published)
			for ctx.Err() == nil {
				_, _ = topic.Publish(ctx, sse.Event{})
			}
		}()
		last, err := events.Recv(ctx)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- srv.Shutdown(ctx) }()
		for err == nil {
			var e sse.Event
			if e, err = events.Recv(ctx); err == nil {
				last = e
			}
		}
		require.Equal(t, io.EOF, err)
		require.Equal(t, "bye", last.Type)
		require.NoError(t, <-done)
		cancel()
		<-published
	}
}
