package bus

import (
	"io"
	"slices"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
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
	q     *queue.Queue[T]
	bus   *Bus[K, T]
	match func(K) bool // of SubscribeFunc

	userCode bool // a delivery calls functions of the subscriber

	name  K // of topic, if there is no match
	topic *topic[K, T]
	at    int // in the subs of topic; -1: not there any more
}

// source returns the receiving end. There may be very many, so that each has a few functions and no more state.
func (s *subscription[K, T]) source() *chanio.Source[T] {
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: s.q.Next, TryNext: s.q.TryNext, AtHand: s.q.AtHand, Close: s.close, Describe: s.describe,
	})
}

func (s *subscription[K, T]) close() error {
	s.q.Close()
	s.leave()
	return nil
}

func (s *subscription[K, T]) describe() chanio.Description {
	d := s.q.Describe()
	d.Kind = "bus"
	return d
}

// leave ends the subscription; calling it again does nothing.
func (s *subscription[K, T]) leave() {
	if s.match != nil {
		s.topic.remove(s)
	} else {
		s.bus.leave(s)
	}
}

// recovered is deferred around functions of the subscriber: one that panics ends the subscription.
func (s *subscription[K, T]) recovered() {
	if v := recover(); v != nil {
		s.q.End(chanio.Recovered(v))
		s.leave()
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
		s.q.End(io.EOF)
	}
}
