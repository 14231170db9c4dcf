package pipeline

import (
	"context"
	"hash/maphash"
	"net"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// PubSub is what most programs need of a bus: [Bus] is the one in memory, and one that leads over a network can stand
// in for it.
type PubSub[K comparable, T any] interface {
	// Publish gives v to the subscribers of topic and reports how many received it, or -1 if it cannot know.
	Publish(ctx context.Context, topic K, v T) (received int, err error)

	// Subscribe returns the values of a topic from now on. Closing the Source ends the subscription. ctx bounds only
	// the call. The queue is that of the subscription; nil is the default.
	Subscribe(ctx context.Context, topic K, queue *Queue[T]) (*chanio.Source[T], error)

	// Close ends all subscriptions after the values that they hold.
	Close() error
}

// Bus passes values from publishers to the subscribers of a topic, in memory. Each subscription has a queue of its own,
// by default of DefaultQueue values under [DropOldest], so that a slow subscriber stalls nobody unless it asked for
// [Block]. A topic exists while somebody subscribes to it. All methods are for any goroutine at any time; a Bus starts
// none. The values of one publisher to one topic arrive in order.
//
// It is Manifold's event-bus, whose publish waits for the slowest subscriber.
type Bus[K comparable, T any] struct {
	shards   [busShards]busShard[K, T]
	seed     maphash.Seed
	matches  topic[K, T] // subscriptions by predicate
	matching atomic.Bool // there was one: matches is worth its lock
	standard *Queue[T]   // of subscriptions without a description
	closed   atomic.Bool
}

const busShards = 64 // of the table of topics, each with a lock of its own

type busShard[K comparable, T any] struct {
	mu     sync.RWMutex
	topics map[K]*topic[K, T]
	_      [32]byte // the locks of two shards do not share a cache line
}

// NewBus returns a Bus without subscribers.
func NewBus[K comparable, T any]() *Bus[K, T] {
	var standard *Queue[T]
	return &Bus[K, T]{seed: maphash.MakeSeed(), standard: standard.orDefault(DropOldest)}
}

// Publish gives v to the queue of every subscriber of topic, and of every predicate that holds for it, and reports how
// many accepted it. It waits only for subscribers with [Block] whose queue is full, after it has served all others; ctx
// bounds that wait, and its cause is then the error. After Close the error is net.ErrClosed. No lock is held while a
// queue is served. The subscribers share v, so nobody changes what it points to.
func (b *Bus[K, T]) Publish(ctx context.Context, topic K, v T) (received int, err error) {
	if b.closed.Load() {
		return 0, net.ErrClosed
	}
	d := delivery[K, T]{v: v}
	d.toAll(b.subscribers(topic))
	if b.matching.Load() {
		d.toMatching(b.matches.snapshot(), topic)
	}
	if d.lost {
		yield()
	}
	err = d.toBlocking(ctx)
	return d.received, err
}

// delivery is one call of Publish.
type delivery[K comparable, T any] struct {
	v        T
	received int
	lost     bool                  // a subscriber was too slow
	full     []*subscription[K, T] // have to be waited for
}

func (d *delivery[K, T]) toAll(subs []*subscription[K, T]) {
	for _, s := range subs {
		d.to(s)
	}
}

func (d *delivery[K, T]) toMatching(subs []*subscription[K, T], topic K) {
	for _, s := range subs {
		if s.match(topic) {
			d.to(s)
		}
	}
}

// to gives the value to one queue, if that takes no time.
func (d *delivery[K, T]) to(s *subscription[K, T]) {
	o := s.q.tryPut(d.v)
	switch {
	case o.ok:
		d.received++
	case o.full:
		d.full = append(d.full, s)
	case o.over:
		s.leave()
	}
	d.lost = d.lost || o.lost
}

// toBlocking gives the value to the queues that had no room, and waits for that.
func (d *delivery[K, T]) toBlocking(ctx context.Context) error {
	for _, s := range d.full {
		ok, err := s.q.put(ctx, d.v)
		if err != nil && isEndOf(ctx, err) {
			return err
		}
		if ok {
			d.received++
		}
	}
	return nil
}

// Subscribe returns the values of topic from now on, through a queue as described; nil is the default. Closing the
// Source ends the subscription, and so does its queue under [Fail] and [Disconnect]. After Close of the Bus the error
// is net.ErrClosed; there is no other, and ctx is not looked at.
func (b *Bus[K, T]) Subscribe(_ context.Context, topic K, queue *Queue[T]) (*chanio.Source[T], error) {
	s := &subscription[K, T]{q: b.queue(queue), bus: b, name: topic}
	for {
		if s.topic = b.open(topic); s.topic == nil {
			return nil, net.ErrClosed
		}
		if s.topic.add(s) {
			return s.source(), nil
		}
	}
}

// queue returns one as described. Those that are not described share their description.
func (b *Bus[K, T]) queue(d *Queue[T]) *queue[T] {
	if d == nil {
		return &queue[T]{cfg: b.standard}
	}
	return newQueue(d, DropOldest)
}

// SubscribeFunc returns the values of all topics for which match holds, those of the future included. match is called
// by every publisher, so it is quick and for any goroutine. For hierarchical topics there is [Wildcard]. For the rest
// it is Subscribe.
func (b *Bus[K, T]) SubscribeFunc(match func(topic K) bool, queue *Queue[T]) (*chanio.Source[T], error) {
	s := &subscription[K, T]{q: b.queue(queue), bus: b, match: match, topic: &b.matches}
	if !b.matches.add(s) {
		return nil, net.ErrClosed
	}
	b.matching.Store(true)
	return s.source(), nil
}

// Topics returns the topics that somebody subscribes to, in no order.
func (b *Bus[K, T]) Topics() []K {
	var all []K
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.RLock()
		for topic := range sh.topics {
			all = append(all, topic)
		}
		sh.mu.RUnlock()
	}
	return all
}

// Subscribers tells how the queues of a topic stand, without those of predicates; none if there is no such topic.
func (b *Bus[K, T]) Subscribers(topic K) []chanio.Description {
	var all []chanio.Description
	for _, s := range b.subscribers(topic) {
		all = append(all, s.describe())
	}
	return all
}

// Close ends all subscriptions, after the values that their queues hold, and accepts nothing more. It does not wait for
// the subscribers. Publishers that wait for one of them return. It is idempotent and returns nil.
func (b *Bus[K, T]) Close() error {
	b.closed.Store(true)
	b.matches.close()
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.Lock()
		topics := sh.topics
		sh.topics = nil
		sh.mu.Unlock()
		for _, t := range topics {
			t.close()
		}
	}
	return nil
}

func (b *Bus[K, T]) shard(topic K) *busShard[K, T] {
	return &b.shards[maphash.Comparable(b.seed, topic)%busShards]
}

// subscribers returns those of topic, to be read only.
func (b *Bus[K, T]) subscribers(topic K) []*subscription[K, T] {
	sh := b.shard(topic)
	sh.mu.RLock()
	t := sh.topics[topic]
	sh.mu.RUnlock()
	if t == nil {
		return nil
	}
	return t.snapshot()
}

// open returns the topic, which it makes if need be, or nil after Close.
func (b *Bus[K, T]) open(name K) *topic[K, T] {
	sh := b.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if b.closed.Load() {
		return nil
	}
	t := sh.topics[name]
	if t == nil {
		t = &topic[K, T]{}
		if sh.topics == nil {
			sh.topics = map[K]*topic[K, T]{}
		}
		sh.topics[name] = t
	}
	return t
}

// leave ends a subscription, and the topic if that was the last.
func (b *Bus[K, T]) leave(s *subscription[K, T]) {
	if !s.topic.remove(s) {
		return
	}
	sh := b.shard(s.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.topic.retire() && sh.topics[s.name] == s.topic {
		delete(sh.topics, s.name)
	}
}
