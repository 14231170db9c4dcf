package pipeline

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// topic is a set of subscriptions. Publishers go through a part of subs that is never written again: a subscription is
// appended behind that part, and one that leaves is taken out of a copy.
type topic[K comparable, T any] struct {
	mu    sync.Mutex
	subs  []*subscription[K, T]
	given bool // subs was given to a publisher
	over  bool // takes no more subscriptions
}

// subscription is the sending end of a subscriber.
type subscription[K comparable, T any] struct {
	q     *queue[T]
	bus   *Bus[K, T]
	match func(K) bool // of SubscribeFunc
	name  K            // of topic, if there is no match
	topic *topic[K, T]
	at    int // in the subs of topic; -1: not there any more
}

// source returns the receiving end. There may be very many, so that each has but four functions and no more state.
func (s *subscription[K, T]) source() *chanio.Source[T] {
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: s.q.next, Close: s.close, Describe: s.describe,
	})
}

func (s *subscription[K, T]) close() error {
	s.q.close()
	s.leave()
	return nil
}

func (s *subscription[K, T]) describe() chanio.Description {
	d := s.q.describe()
	d.Kind = "pipeline.Bus"
	return d
}

// leave ends the subscription; it is called by whoever closes it first.
func (s *subscription[K, T]) leave() {
	if s.match != nil {
		s.topic.remove(s)
	} else {
		s.bus.leave(s)
	}
}

// snapshot returns the subscriptions of this moment, to be read only.
func (t *topic[K, T]) snapshot() []*subscription[K, T] {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given = true
	return t.subs
}

// add reports whether there is a new subscription; it is not if the topic is over.
func (t *topic[K, T]) add(s *subscription[K, T]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	s.at = len(t.subs)
	t.subs = append(t.subs, s)
	return true
}

// remove ends a subscription and reports whether it was the last.
func (t *topic[K, T]) remove(s *subscription[K, T]) (last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.at < 0 || t.over {
		return false
	}
	if t.given {
		t.subs, t.given = slices.Clone(t.subs), false
	}
	end := len(t.subs) - 1
	t.subs[s.at] = t.subs[end]
	t.subs[s.at].at = s.at
	t.subs[end] = nil
	t.subs = t.subs[:end]
	s.at = -1
	return end == 0
}

// retire ends the topic if it has no subscription, and reports whether it has.
func (t *topic[K, T]) retire() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = t.over || len(t.subs) == 0
	return t.over
}

// close ends the topic and its subscriptions, after what their queues hold.
func (t *topic[K, T]) close() {
	t.mu.Lock()
	subs := t.subs
	t.subs, t.over = nil, true
	t.mu.Unlock()
	for _, s := range subs {
		s.q.end(io.EOF, false)
	}
}

// Wildcard returns a predicate for topics of words joined by dots: "*" in the pattern stands for any one word, ">" at
// its end for one word or more, as in NATS subjects. It panics if a word of the pattern is empty, or mixes a wildcard
// with other characters, or if something follows ">".
func Wildcard(pattern string) func(topic string) bool {
	words := strings.Split(pattern, ".")
	for i, w := range words {
		mixed := len(w) > 1 && strings.ContainsAny(w, "*>")
		if w == "" || mixed || w == ">" && i < len(words)-1 {
			panic(fmt.Sprintf("pipeline: Wildcard: %q is not a pattern", pattern))
		}
	}
	return func(topic string) bool {
		for i, want := range words {
			if want == ">" {
				return topic != ""
			}
			word, rest, more := strings.Cut(topic, ".")
			if want != "*" && want != word || word == "" || more != (i < len(words)-1) {
				return false
			}
			topic = rest
		}
		return true
	}
}
