package httpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/internal/http1"
)

// EventsConfig configures a stream of Server-Sent Events. A nil *EventsConfig and the zero value use the defaults.
type EventsConfig struct {
	// Request, if not nil, is the request to send each time. Its URL is replaced by the URL of Events, and Accept,
	// Cache-Control and Last-Event-ID are set.
	Request *Request

	// LastID is the event ID to resume after with the first request. "" means to start with the next event.
	LastID string

	// MaxEvent limits the size of an event in bytes. 0 means 1 MiB.
	MaxEvent int

	// Backoff returns the pause before the n-th consecutive attempt without an event. nil means 3 s, doubled up to 30
	// s, less up to a half at random. A reconnection time sent by the server, limited to 100 ms to 5 minutes, replaces
	// the 3 s.
	Backoff clients.Backoff

	// MaxAttempts limits the consecutive attempts without an event. 0 means no limit.
	MaxAttempts int

	// Silence is how long a stream may be silent, without even a comment, before it counts as failed, and how long the
	// body of a refusal may be. 0 means no limit except Config.BodyTimeout, since servers need not send comments.
	Silence time.Duration

	// OnError, if not nil, is called with each failure, and with io.EOF if the server has ended the stream, before the
	// next attempt, in the receiver's goroutine.
	OnError func(err error)
}

const (
	firstPause = 3 * time.Second
	mostPause  = 30 * time.Second
	leastRetry = 100 * time.Millisecond
	mostRetry  = 5 * time.Minute
)

// Events receives the events at a URL with the [Default] client; see [Client.Events].
func Events(ctx context.Context, url string, cfg *EventsConfig) (*chanio.Source[sse.Event], error) {
	return Default().Events(ctx, url, cfg)
}

// Events requests the events at a URL, and returns them as a Source once the server has accepted. cfg may be nil. When
// the stream ends or fails, the Source reconnects within a Recv, bounded by its ctx, and sends the last event ID
// received. It ends
//
//   - with io.EOF if the server answers 204, which means that there are no more events;
//   - with a [*StatusError] for any status other than 200, except 408, 425, 429 and 500 or above, which may be
//     temporary;
//   - with an error for a response that is not text/event-stream;
//   - with an error if the request cannot be sent as given, for example because its Body can be sent only once, or the
//     ID of the last event has control characters;
//   - with [ErrClosed] when it has to reconnect and the Client has been closed;
//   - with the last failure after MaxAttempts.
//
// ctx bounds all requests: when it ends, the Source ends with its cause. Config.Timeout and AttemptTimeout bound only the
// time until the server has accepted. The caller must close the Source.
func (c *Client) Events(ctx context.Context, url string, cfg *EventsConfig) (*chanio.Source[sse.Event], error) {
	e := &eventSource{client: c, url: url}
	e.life, e.endLife = context.WithCancel(ctx)
	if cfg != nil {
		e.cfg = *cfg
	}
	e.state.SetLastID(e.cfg.LastID)
	if err := e.connect(ctx); err != nil {
		e.endLife()
		if err == errNoMoreEvents {
			return chanio.FromSlice[sse.Event](nil), nil
		}
		return nil, err
	}
	src := chanio.NewSource(chanio.SourceHooks[sse.Event]{
		Next: e.next, TryNext: e.tryNext, Close: e.close, End: &e.end,
		Describe: func() chanio.Description { return chanio.Description{Kind: "httpc.Events"} },
	})
	stop := context.AfterFunc(ctx, func() {
		e.end.Set(chanio.Cause(ctx))
		_ = src.Close()
	})
	src.OnDone(func() {
		stop()
		e.endLife()
	})
	return src, nil
}

// eventSource is the state of the Source of Events.
type eventSource struct {
	client *Client
	url    string
	cfg    EventsConfig
	state  sse.State
	end    chanio.End

	life    context.Context // ends with the Source, which has its end first
	endLife context.CancelFunc

	events   *chanio.Source[sse.Event] // of the current response, or nil
	failures int                       // consecutive attempts without an event
	due      time.Time                 // time of the next attempt

	mu     sync.Mutex
	resp   *Response
	cancel context.CancelFunc // cancels the request of resp
}

// next returns the next event. It reconnects as often as necessary.
func (e *eventSource) next(ctx context.Context) (sse.Event, error) {
	for {
		err := e.ready(ctx)
		if err == nil {
			var ev sse.Event
			if ev, err = e.events.Recv(ctx); err == nil {
				e.failures = 0
				return ev, nil
			}
		}
		if ctx.Err() != nil {
			return sse.Event{}, chanio.Cause(ctx)
		}
		switch err = e.judge(err); err {
		case nil:
			continue
		case io.EOF:
			e.end.Set(nil)
		default:
			e.end.Set(err)
		}
		return sse.Event{}, err
	}
}

// body returns the body of resp, which fails if nothing arrives for Silence while a receiver waits.
func (e *eventSource) body(resp *Response) *chanio.Source[[]byte] {
	if e.cfg.Silence <= 0 {
		return resp.Body
	}
	up := resp.Body.Claim("httpc.Events")
	return chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next: func(ctx context.Context) ([]byte, error) {
			bounded, cancel := context.WithTimeoutCause(ctx, e.cfg.Silence, &TimeoutError{Phase: PhaseBody, After: e.cfg.Silence})
			defer cancel()
			return up.Next(bounded)
		},
		TryNext: up.TryNext, Close: up.Close, Describe: up.Describe,
	})
}

func (e *eventSource) tryNext() (sse.Event, bool, error) {
	if e.events == nil {
		return sse.Event{}, false, nil
	}
	ev, ok, _ := e.events.TryRecv() // next returns the error
	if ok {
		e.failures = 0
	}
	return ev, ok, nil
}

// ready waits until the next attempt is due and connects, if there is no connection.
func (e *eventSource) ready(ctx context.Context) error {
	if e.events != nil {
		return nil
	}
	if d := time.Until(e.due); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return chanio.Cause(ctx)
		case <-e.life.Done():
			return chanio.Cause(e.life)
		}
	}
	return e.connect(ctx)
}

// judge returns the error that ends the Source, or nil for another attempt.
func (e *eventSource) judge(err error) error {
	var end *endOfEvents
	switch {
	case e.life.Err() != nil:
		return chanio.Cause(e.life)
	case err == errNoMoreEvents:
		return io.EOF
	case errors.As(err, &end):
		return end.err
	case isHopeless(err):
		return err
	}
	e.drop()
	e.failures++
	if e.cfg.MaxAttempts > 0 && e.failures >= e.cfg.MaxAttempts {
		return fmt.Errorf("httpc: Events: gave up after %d attempts in a row: %w", e.failures, notClean(err))
	}
	if e.cfg.OnError != nil {
		e.cfg.OnError(err)
	}
	e.due = time.Now().Add(e.pause())
	return nil
}

// notClean returns io.ErrUnexpectedEOF for io.EOF, and other errors unchanged.
func notClean(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// pause returns how long to wait before the next attempt.
func (e *eventSource) pause() time.Duration {
	first := firstPause
	if said := e.state.Retry(); said > 0 {
		first = min(max(said, leastRetry), mostRetry)
	}
	backoff := e.cfg.Backoff
	if backoff == nil {
		backoff = clients.ExponentialBackoff(first, max(mostPause, first), 0.5)
	}
	return backoff(e.failures)
}

// endOfEvents is the error of an answer that ends the Source.
type endOfEvents struct{ err error }

func (e *endOfEvents) Error() string { return e.err.Error() }
func (e *endOfEvents) Unwrap() error { return e.err }

// connect sends the request. ctx bounds it, but not the body of the response.
func (e *eventSource) connect(ctx context.Context) error {
	r, err := e.request()
	if err != nil {
		return err
	}
	life, cancel := context.WithCancel(e.life)
	stop := context.AfterFunc(ctx, cancel)
	resp, err := e.client.Do(life, r)
	if err == nil {
		err = e.accept(resp, cancel)
	}
	if !stop() && err == nil {
		e.drop()
		err = chanio.Cause(ctx)
	}
	if err != nil {
		cancel()
	}
	return err
}

// errNoMoreEvents means that the server answered 204.
var errNoMoreEvents = errors.New("httpc: Events: there are no more events")

// accept checks a response.
func (e *eventSource) accept(resp *Response, cancel context.CancelFunc) error {
	resp.Body = e.body(resp)
	switch {
	case resp.Status == http.StatusNoContent:
		_ = resp.Close()
		return errNoMoreEvents
	case resp.Status != http.StatusOK:
		err := resp.statusError(resp.call)
		_ = resp.Close()
		if mayPass(resp.Status) {
			return err
		}
		return &endOfEvents{err}
	}
	if !isEventStream(resp.Header.Get("Content-Type")) {
		_ = resp.Close()
		return &endOfEvents{fmt.Errorf("httpc: Events: the response is %q and not text/event-stream", resp.Header.Get("Content-Type"))}
	}
	e.mu.Lock()
	e.resp, e.cancel = resp, cancel
	e.mu.Unlock()
	if e.life.Err() != nil { // perhaps before close could see resp
		_ = resp.Close()
		return chanio.Cause(e.life)
	}
	resp.call.unbind()
	e.events = sse.Decode(resp.Body, &sse.StreamConfig{MaxEvent: e.cfg.MaxEvent, State: &e.state})
	return nil
}

// isEventStream reports whether a Content-Type is text/event-stream. Parameters are ignored: the text is always UTF-8.
func isEventStream(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return kind == "text/event-stream" && (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter))
}

// mayPass reports whether a status may be temporary.
func mayPass(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// request returns the request to send. An ID that a field cannot have is an error: without it, events would be missed
// unnoticed.
func (e *eventSource) request() (*Request, error) {
	r := Request{}
	if e.cfg.Request != nil {
		r = *e.cfg.Request
	}
	r.URL, r.anyStatus, r.headOnly = e.url, true, true
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Cache-Control", "no-cache")
	if id := strings.Trim(e.state.LastID(), " \t"); id != "" {
		if !http1.ValidValue(id) {
			return nil, invalid("the event ID %q cannot be sent as Last-Event-ID", id)
		}
		r.Header.Set("Last-Event-ID", id)
	}
	return &r, nil
}

// drop closes the current response.
func (e *eventSource) drop() {
	e.mu.Lock()
	resp, cancel := e.resp, e.cancel
	e.resp = nil
	e.mu.Unlock()
	e.events = nil
	if resp != nil {
		_ = resp.Close()
		cancel()
	}
}

// close is the close hook of the Source. It may run concurrently with next.
func (e *eventSource) close() error {
	e.endLife()
	e.mu.Lock()
	resp := e.resp
	e.mu.Unlock()
	if resp != nil {
		return resp.Close()
	}
	return nil
}
