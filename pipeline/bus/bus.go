// Package bus passes values from publishers to the subscribers of a topic, in memory.
//
//	prices := bus.New[string, Price]()
//	eur, err := prices.Subscribe(ctx, "EUR", nil)        // a Source of what is published from now on
//	received, err := prices.Publish(ctx, "EUR", price)   // never waits for a slow subscriber, unless that asked for it
//
// Each subscription has a queue, by default of pipeline.DefaultQueue values under pipeline.DropOldest, so that a slow
// subscriber stalls nobody unless it asked for pipeline.Block.
package bus

import (
	"context"
	"hash/maphash"
	"net"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// PubSub is what most programs need of a bus: [Bus] is the one in memory, and one over a network can stand in for it.
type PubSub[K comparable, T any] interface {
	// Publish gives v to the subscribers of topic and reports how many received it, or -1 if it cannot know.
	Publish(ctx context.Context, topic K, v T) (received int, err error)

	// Subscribe returns the values of a topic from now on. Closing the Source ends the subscription. ctx bounds only
	// the call. The queue is that of the subscription; nil is the default.
	Subscribe(ctx context.Context, topic K, queue *pipeline.Queue[T]) (*chanio.Source[T], error)

	// Close ends all subscriptions after the values that they hold.
	Close() error
}

// Bus passes values from publishers to subscribers. A topic exists while somebody subscribes to it. All methods are for any
// goroutine at any time; a Bus starts none. The values of one publisher to one topic arrive in order.
type Bus[K comparable, T any] struct {
	shards   [shards]shard[K, T]
	seed     maphash.Seed
	matches  shard[K, T]      // subscriptions by predicate, all under one name
	matching atomic.Bool      // there was one: matches is worth its lock
	standard *queue.Config[T] // of subscriptions without a description
	closed   atomic.Bool
}

const shards = 64 // of the table of topics, each with a lock of its own

// New returns a Bus without subscribers.
func New[K comparable, T any]() *Bus[K, T] {
	return &Bus[K, T]{seed: maphash.MakeSeed(), standard: queue.Config[T]{}.Default("bus: New", queue.DropOldest)}
}

// Publish gives v to the queue of every subscriber of topic, and of every predicate that holds for it, and reports how
// many accepted it. It waits only for subscribers with pipeline.Block whose queue is full, after it has served all others; ctx
// bounds that wait, and its cause is then the error. After Close the error is net.ErrClosed. No lock is held while a
// queue is served. The subscribers share v, so nobody changes what it points to.
func (b *Bus[K, T]) Publish(ctx context.Context, topic K, v T) (received int, err error) {
	if b.closed.Load() {
		return 0, net.ErrClosed
	}
	d := delivery[K, T]{topic: topic, v: v}
	d.toAll(b.shard(topic).subscribers(topic))
	if b.matching.Load() {
		var all K
		d.toAll(b.matches.subscribers(all))
	}
	if d.lost {
		queue.Yield()
	}
	err = d.toBlocking(ctx)
	return d.received, err
}

// delivery is one call of Publish.
type delivery[K comparable, T any] struct {
	topic    K
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

// to gives the value to one queue, if that takes no time. A panic in a function of the subscriber ends the subscription
// and nothing else.
func (d *delivery[K, T]) to(s *subscription[K, T]) {
	if s.userCode {
		defer s.recovered()
	}
	if s.match != nil && !s.match(d.topic) {
		return
	}
	o := s.q.TryPut(d.v)
	switch {
	case o.OK:
		d.received++
	case o.Full:
		d.full = append(d.full, s)
	case o.Over:
		s.shard.remove(s)
	}
	d.lost = d.lost || o.Lost
}

// toBlocking gives the value to the queues that had no room, and waits for that.
func (d *delivery[K, T]) toBlocking(ctx context.Context) error {
	for _, s := range d.full {
		if ok, err := d.wait(ctx, s); ok {
			d.received++
		} else if err != nil && ctx.Err() != nil {
			return chanio.Cause(ctx)
		}
	}
	return nil
}

func (d *delivery[K, T]) wait(ctx context.Context, s *subscription[K, T]) (bool, error) {
	if s.userCode {
		defer s.recovered()
	}
	return s.q.Put(ctx, d.v)
}

// Subscribe returns the values of topic from now on, through a queue as described; nil is the default. Closing the
// Source ends the subscription, and so does its queue under pipeline.Fail and pipeline.Disconnect. After Close of the Bus the error
// is net.ErrClosed; there is no other, and ctx is not looked at.
func (b *Bus[K, T]) Subscribe(_ context.Context, topic K, cfg *pipeline.Queue[T]) (*chanio.Source[T], error) {
	return b.subscribe(b.shard(topic), topic, nil, "Subscribe", cfg)
}

// subscribe adds a subscription with a queue as described. Those that are not described share their description.
func (b *Bus[K, T]) subscribe(
	sh *shard[K, T], name K, match func(K) bool, caller string, cfg *pipeline.Queue[T],
) (*chanio.Source[T], error) {
	s := &subscription[K, T]{shard: sh, name: name, match: match, userCode: match != nil}
	if cfg == nil {
		s.q = queue.New(b.standard, nil)
	} else {
		s.q = queue.New(queue.Config[T](*cfg).Default("bus: "+caller, queue.DropOldest), nil)
		s.userCode = s.userCode || cfg.Metric != nil || cfg.OnOverflow != nil
	}
	if !sh.add(s) {
		return nil, net.ErrClosed
	}
	return s.source(), nil
}

// SubscribeFunc returns the values of all topics for which match holds, those of the future included. match is called
// by every publisher, so it is quick and for any goroutine. For hierarchical topics there is [Wildcard]. For the rest
// it is Subscribe.
func (b *Bus[K, T]) SubscribeFunc(match func(topic K) bool, cfg *pipeline.Queue[T]) (*chanio.Source[T], error) {
	if match == nil {
		panic("bus: SubscribeFunc: match is nil")
	}
	var all K
	src, err := b.subscribe(&b.matches, all, match, "SubscribeFunc", cfg)
	if err == nil {
		b.matching.Store(true)
	}
	return src, err
}

// Topics returns the topics that somebody subscribes to, in no particular order.
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
	for _, s := range b.shard(topic).subscribers(topic) {
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
		b.shards[i].close()
	}
	return nil
}

func (b *Bus[K, T]) shard(topic K) *shard[K, T] {
	return &b.shards[maphash.Comparable(b.seed, topic)%shards]
}
