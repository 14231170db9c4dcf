package sketches

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// Number is the request and the reply of the JSON server.
type Number struct{ N int }

var numberFrames = codec.Prefixed(codec.Uint32, codec.JSON[Number]())

// Metric is one line of statsd, and Sums are the totals of one period.
type (
	Metric struct {
		Name  string
		Value int
	}
	Sums map[string]int
)

// parseMetric parses "name:value".
func parseMetric(p chanio.Packet) (Metric, bool) {
	name, value, ok := strings.Cut(string(p.Data), ":")
	n, err := strconv.Atoi(value)
	return Metric{name, n}, ok && err == nil
}

// period is the time between two numbers.
const period = 5 * time.Millisecond

// Bus stands in for a bus of topics. A subscriber that is too slow loses new values.
type Bus struct {
	mu   sync.Mutex
	subs map[string]map[chan string]struct{}
}

// Subscribe returns the values published on topic from now on. It queues up to n of them.
func (b *Bus) Subscribe(topic string, n int) *chanio.Source[string] {
	ch := make(chan string, n)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = map[string]map[chan string]struct{}{}
	}
	if b.subs[topic] == nil {
		b.subs[topic] = map[chan string]struct{}{}
	}
	b.subs[topic][ch] = struct{}{}
	return chanio.From(ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subs[topic], ch)
	})
}

// Publish gives v to all subscribers of topic.
func (b *Bus) Publish(topic, v string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.subs[topic] {
		select {
		case ch <- v:
		default:
		}
	}
}

// Topic returns a Sink that publishes on topic.
func (b *Bus) Topic(topic string) *chanio.Sink[string] {
	return chanio.NewSink(chanio.SinkHooks[string]{Send: func(_ context.Context, v string) error {
		b.Publish(topic, v)
		return nil
	}})
}

// Body stands in for the body of a response. Sent values are flushed, and those sent before the handler returned are
// drained, as on any connection. The handler must be wrapped by streaming.
func Body(w http.ResponseWriter) *chanio.Sink[[]byte] { return w.(*response).body }

type response struct {
	http.ResponseWriter
	body *chanio.Sink[[]byte]
}

func streaming(handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		over := make(chan struct{})
		defer close(over)
		body := chanio.NewSink(chanio.SinkHooks[[]byte]{
			Send: func(_ context.Context, p []byte) error {
				_, err := w.Write(p)
				return errors.Join(err, http.NewResponseController(w).Flush())
			},
			End: &chanio.End{Released: over},
		})
		defer body.Close()
		handle(&response{w, body}, r)
	})
}
