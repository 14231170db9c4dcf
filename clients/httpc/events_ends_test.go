package httpc

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/deadline"
)

// atOnce is a Backoff without a pause.
func atOnce(int) time.Duration { return 0 }

// oneEvent sends an event and ends the stream.
func oneEvent(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "data: a\n\n")
}

// TestFailuresThatNoAttemptCanMendEndEvents receives an event, and then has the next request fail.
func TestFailuresThatNoAttemptCanMendEndEvents(t *testing.T) {
	for name, k := range map[string]struct {
		cfg    Config
		events EventsConfig
		before func(c *Client)
		want   string
		asked  int
	}{
		"a status, with StatusErrors": {cfg: Config{StatusErrors: true}, want: "404", asked: 2},
		"a body that was sent": {
			events: EventsConfig{Request: &Request{Body: Reader(strings.NewReader("x"), 1)}}, want: "for the second time", asked: 1,
		},
		"a closed client": {before: func(c *Client) { _ = c.Close() }, want: "the client is closed", asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if asked++; asked == 1 {
					oneEvent(w)
					return
				}
				w.WriteHeader(http.StatusNotFound)
			})
			c := New(&k.cfg)
			defer func() { _ = c.Close() }()
			k.events.MaxAttempts, k.events.Backoff = 5, atOnce
			events, err := c.Events(t.Context(), url, &k.events)
			require.NoError(t, err)
			_, err = events.Recv(t.Context())
			require.NoError(t, err)
			if k.before != nil {
				k.before(c)
			}
			_, err = events.Recv(t.Context())
			require.ErrorContains(t, err, k.want)
			require.NotContains(t, err.Error(), "gave up")
			require.Equal(t, k.asked, asked)
		})
	}
}

// TestTimeoutsDoNotBoundAStreamOfEvents has the first event arrive after both timeouts.
func TestTimeoutsDoNotBoundAStreamOfEvents(t *testing.T) {
	asked := 0
	eventBubble(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Hour)
		_, _ = io.WriteString(w, "data: a\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(t *testing.T, c *Client) {
		c.t.cfg.Timeout, c.t.cfg.AttemptTimeout = 10*time.Second, 5*time.Second
		events, err := c.Events(t.Context(), "http://server/", nil)
		require.NoError(t, err)
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a", e.Data)
		require.NoError(t, events.Close())
	})
	require.Equal(t, 1, asked)
}

// TestTimeoutsBoundTheAnswerToEvents has a server send no head, or an incomplete refusal.
func TestTimeoutsBoundTheAnswerToEvents(t *testing.T) {
	for _, head := range []bool{false, true} {
		for _, each := range []bool{false, true} {
			eventBubble(t, func(w http.ResponseWriter, r *http.Request) {
				if head {
					refuseSlowly(w)
				}
				<-r.Context().Done()
			}, func(t *testing.T, c *Client) {
				want := PhaseTotal
				c.t.cfg.Timeout = 10 * time.Second
				if each {
					want = PhaseAttempt
					c.t.cfg.Timeout, c.t.cfg.AttemptTimeout = 0, 10*time.Second
				}
				start := time.Now()
				_, err := c.Events(t.Context(), "http://server/", nil)
				require.Equal(t, 10*time.Second, time.Since(start))
				if head && each { // the status is known
					var refused *StatusError
					require.ErrorAs(t, err, &refused)
					return
				}
				var late *TimeoutError
				require.ErrorAs(t, err, &late)
				require.Equal(t, want, late.Phase)
			})
		}
	}
}

// refuseSlowly sends a head whose body does not follow.
func refuseSlowly(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "10")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = http.NewResponseController(w).Flush()
}

// stalledRefusal runs test with a server that refuses the second of three requests, with a body that does not arrive.
func stalledRefusal(t *testing.T, test func(t *testing.T, c *Client)) {
	t.Helper()
	asked := 0
	eventBubble(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked++; asked {
		case 2:
			refuseSlowly(w)
			<-r.Context().Done()
		default:
			oneEvent(w)
		}
	}, test)
	require.Equal(t, 3, asked)
}

// TestCtxBoundsARefusalOfEvents has a server refuse the second request, with a body that does not arrive.
func TestCtxBoundsARefusalOfEvents(t *testing.T) {
	stalledRefusal(t, func(t *testing.T, c *Client) {
		events, err := c.Events(t.Context(), "http://server/", &EventsConfig{Backoff: atOnce})
		require.NoError(t, err)
		_, err = events.Recv(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		time.AfterFunc(time.Hour, func() { _ = events.Close() })
		_, err = events.Recv(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = events.Recv(t.Context())
		require.NoError(t, err)
		require.NoError(t, events.Close())
	})
}

// TestSilenceBoundsARefusalOfEvents has a server refuse the second request, with a body that does not arrive.
func TestSilenceBoundsARefusalOfEvents(t *testing.T) {
	stalledRefusal(t, func(t *testing.T, c *Client) {
		var errs []error
		events, err := c.Events(t.Context(), "http://server/", &EventsConfig{
			Backoff: atOnce, Silence: time.Minute, OnError: func(err error) { errs = append(errs, err) },
		})
		require.NoError(t, err)
		_, err = events.Recv(t.Context())
		require.NoError(t, err)
		start := time.Now()
		_, err = events.Recv(t.Context())
		require.NoError(t, err)
		require.Less(t, time.Since(start), 2*time.Minute)
		require.Len(t, errs, 2, "the end of the first stream, and the refusal")
		var refused *StatusError
		require.ErrorAs(t, errs[1], &refused)
		require.NoError(t, events.Close())
	})
}

// TestEventsEndAfterMaxAttemptsThatFailedAsACallDoes has the dial repeat the error of a call on another stream.
func TestEventsEndAfterMaxAttemptsThatFailedAsACallDoes(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { oneEvent(w) })
	dials := 0
	c := New(&Config{Dial: func(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
		if dials++; dials > 1 {
			return nil, deadline.Exceeded
		}
		return clients.DialTCP(ctx, addr, &clients.Config{Conn: *conn})
	}})
	defer func() { _ = c.Close() }()
	events, err := c.Events(t.Context(), url, &EventsConfig{Backoff: atOnce, MaxAttempts: 2})
	require.NoError(t, err)
	_, err = events.Recv(t.Context())
	require.NoError(t, err)
	c.CloseIdleConnections()
	for range 2 {
		_, err = events.Recv(t.Context())
		require.ErrorContains(t, err, "gave up after 2 attempts")
		require.False(t, chanio.Resumable(t.Context(), err))
	}
	require.Equal(t, err, events.Err())
}
