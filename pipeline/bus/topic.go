package bus

import (
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// shard holds some of the topics, under its own lock.
type shard[K comparable, T any] struct {
	mu     sync.RWMutex
	topics map[K]*topic[K, T] // each has at least one subscription
	closed bool               // no more subscriptions are accepted
	_      [32]byte           // the locks of two shards do not share a cache line
}

// topic is a set of subscriptions. Publishers iterate over a part of subs that is never written again: a new
// subscription is appended after that part, and one that leaves is removed from a copy.
type topic[K comparable, T any] struct {
	subs    []*subscription[K, T]
	members int         // how many of subs are attached sinks
	given   atomic.Bool // a publisher has received subs
}

// subscription is the sending end of a subscriber.
type subscription[K comparable, T any] struct {
	q     *queue.Queue[T]
	shard *shard[K, T]
	name  K            // of topic
	topic *topic[K, T] // kept because a name that differs from itself, such as NaN, cannot be looked up
	match func(K) bool // of SubscribeFunc
	at    int          // index in topic.subs; -1 after removal

	member *member[T] // of Attach

	userCode bool // a delivery calls functions of the subscriber
}

// source returns the receiving end. There may be very many of them, so each has only a few functions and no further
// state.
func (s *subscription[K, T]) source() *chanio.Source[T] {
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: s.q.Next, TryNext: s.q.TryNext, AtHand: s.q.AtHand, Close: s.close, Describe: s.describe,
	})
}

// offer gives v to the subscriber, if that takes no time.
func (s *subscription[K, T]) offer(v T) queue.Outcome {
	if s.member != nil {
		return s.member.offer(v)
	}
	return s.q.TryPut(v)
}

func (s *subscription[K, T]) close() error {
	s.q.Close()
	s.shard.remove(s)
	return nil
}

func (s *subscription[K, T]) describe() chanio.Description {
	d := s.q.Describe()
	d.Kind = "bus"
	return d
}

// recovered is deferred around functions of the subscriber. A panic or runtime.Goexit in one ends the subscription.
func (s *subscription[K, T]) recovered(returned *bool) {
	if *returned {
		return
	}
	v := recover()
	if s.member != nil {
		s.member.broken(v)
	}
	s.q.End(chanio.Recovered(v))
	s.shard.remove(s)
}

// subscribers returns the current subscriptions of a topic, which must not be modified, and whether some are attached
// sinks.
func (sh *shard[K, T]) subscribers(name K) (subs []*subscription[K, T], members bool) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	t := sh.topics[name]
	if t == nil {
		return nil, false
	}
	if !t.given.Load() {
		t.given.Store(true)
	}
	return t.subs, t.members > 0
}

// add adds s to its topic and reports whether it did; it does not after close.
func (sh *shard[K, T]) add(s *subscription[K, T]) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed {
		return false
	}
	t := sh.topics[s.name]
	if t == nil {
		t = &topic[K, T]{}
		if sh.topics == nil {
			sh.topics = map[K]*topic[K, T]{}
		}
		sh.topics[s.name] = t
	}
	s.topic, s.at = t, len(t.subs)
	t.subs = append(t.subs, s)
	if s.member != nil {
		t.members++
	}
	return true
}

// remove ends a subscription, and removes the topic if that was the last one. Calling it again does nothing.
func (sh *shard[K, T]) remove(s *subscription[K, T]) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.at < 0 || sh.closed {
		return
	}
	t := s.topic
	if t.given.Load() {
		t.subs = slices.Clone(t.subs)
		t.given.Store(false)
	}
	end := len(t.subs) - 1
	t.subs[s.at] = t.subs[end]
	t.subs[s.at].at = s.at
	t.subs[end] = nil
	t.subs = t.subs[:end]
	if s.member != nil {
		t.members--
	}
	if s.at = -1; end == 0 {
		delete(sh.topics, s.name)
	}
}

// close ends the subscriptions, each after the values in its queue.
func (sh *shard[K, T]) close() {
	sh.mu.Lock()
	topics := sh.topics
	sh.topics, sh.closed = nil, true
	sh.mu.Unlock()
	for _, t := range topics {
		for _, s := range t.subs {
			s.q.End(io.EOF)
		}
	}
}
