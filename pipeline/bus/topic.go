package bus

import (
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// shard is a part of the topics, with a lock of its own.
type shard[K comparable, T any] struct {
	mu     sync.RWMutex
	topics map[K]*topic[K, T] // each has a subscription
	closed bool               // takes no more subscriptions
	_      [32]byte           // the locks of two shards do not share a cache line
}

// topic is a set of subscriptions. Publishers go through a part of subs that is never written again: a subscription is
// appended behind that part, and one that leaves is taken out of a copy.
type topic[K comparable, T any] struct {
	subs    []*subscription[K, T]
	members int         // of subs
	given   atomic.Bool // subs was given to a publisher
}

// subscription is the sending end of a subscriber.
type subscription[K comparable, T any] struct {
	q     *queue.Queue[T]
	shard *shard[K, T]
	name  K            // of topic
	topic *topic[K, T] // a name that differs from itself, as NaN does, does not find it
	match func(K) bool // of SubscribeFunc
	at    int          // in the subs of its topic; -1: not there any more

	member *member[T] // of Attach

	userCode bool // a delivery calls functions of the subscriber
}

// source returns the receiving end. There may be very many, so that each has a few functions and no more state.
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

// recovered is deferred around functions of the subscriber: one that panics, or calls runtime.Goexit, ends the
// subscription.
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

// subscribers returns those of a topic at this moment, to be read only, and whether there are members among them.
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

// add reports whether s is a subscription of its topic from now on; it is not after close.
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

// remove ends a subscription, and the topic if that was the last; calling it again does nothing.
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

// close ends the subscriptions, after what their queues hold.
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
