// Package bus passes values from publishers to the subscribers of a topic, in memory.
//
//	prices := bus.New[string, Price]()
//	eur, err := prices.Subscribe(ctx, "EUR", nil)        // a Source of the values published from now on
//	received, err := prices.Publish(ctx, "EUR", price)   // waits only for subscribers with policy Block
//
// Connections that only pass the values on need neither a Source nor a goroutine: see [Bus.Attach].
//
// Each subscription has a queue, by default of pipeline.DefaultQueue values with policy [pipeline.DropOldest], so a
// slow subscriber delays no one else unless it chose [pipeline.Block].
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

// PubSub is the common interface of a bus: [Bus] implements it in memory, and a bus over a network can replace that.
type PubSub[K comparable, T any] interface {
	// Publish passes v to the subscribers of topic and returns how many received it, or -1 if that is unknown.
	Publish(ctx context.Context, topic K, v T) (received int, err error)

	// Subscribe returns a Source of the values published to topic from now on. Closing the Source ends the
	// subscription. ctx bounds only the call. queue configures the subscription's queue; nil is the default.
	Subscribe(ctx context.Context, topic K, queue *pipeline.Queue[T]) (*chanio.Source[T], error)

	// Close ends all subscriptions after the values that they hold.
	Close() error
}

// Bus passes values from publishers to subscribers. A topic exists while it has subscribers. All methods are safe for
// concurrent use. A Bus starts no goroutine, except as [Bus.Attach] says. The values of one publisher to one topic arrive in order.
type Bus[K comparable, T any] struct {
	shards   [shards]shard[K, T]
	seed     maphash.Seed
	matches  shard[K, T]      // subscriptions by predicate, all under one name
	matching atomic.Bool      // there has been one, so matches must be locked
	standard *queue.Config[T] // for subscriptions without one of their own
	closed   atomic.Bool
}

const shards = 64 // of the table of topics, each with its own lock

// New returns a Bus without subscribers.
func New[K comparable, T any]() *Bus[K, T] {
	return &Bus[K, T]{seed: maphash.MakeSeed(), standard: queue.Config[T]{}.Default("bus: New", queue.DropOldest)}
}

// Publish passes v to the queue of every subscriber of topic and of every matching predicate, and returns how many
// accepted it. It waits only for subscribers with [pipeline.Block] whose queue is full, after it has served all others.
// ctx bounds that wait, and its cause is then the error. After Close the error is net.ErrClosed. No lock is held while
// a queue is served. Subscribers share v, so they must not modify what it points to.
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
	full     []*subscription[K, T] // Publish waits for these
	rest     []*subscription[K, T] // taken by share and not served yet
}

func (d *delivery[K, T]) toAll(subs []*subscription[K, T], members bool) {
	if members && len(subs) >= shareMin {
		d.share(subs)
		return
	}
	for _, s := range subs {
		d.to(s)
	}
}

// to passes the value to one subscriber if that needs no wait. A panic in a function of the subscriber ends only that
// subscription.
func (d *delivery[K, T]) to(s *subscription[K, T]) {
	if !s.userCode {
		d.note(s, s.q.TryPut(d.v))
		return
	}
	returned := false
	defer s.recovered(&returned)
	if s.match == nil || s.match(d.topic) {
		d.note(s, s.offer(d.v))
	}
	returned = true
}

// note counts what became of the value.
func (d *delivery[K, T]) note(s *subscription[K, T], o queue.Outcome) {
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

// toBlocking puts the value into the queues that had no room, and waits for each.
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

func (d *delivery[K, T]) wait(ctx context.Context, s *subscription[K, T]) (ok bool, err error) {
	if !s.userCode {
		return s.q.Put(ctx, d.v)
	}
	returned := false
	defer s.recovered(&returned)
	if s.member != nil {
		ok, err = s.member.put(ctx, d.v)
	} else {
		ok, err = s.q.Put(ctx, d.v)
	}
	returned = true
	return ok, err
}

// Subscribe returns a Source of the values published to topic from now on, through the configured queue; nil is the
// default. The subscription ends when the Source is closed, or when its queue overflows under [pipeline.Fail] or
// [pipeline.Disconnect]. After Close of the Bus the error is net.ErrClosed; there is no other error, and ctx is not
// used.
func (b *Bus[K, T]) Subscribe(_ context.Context, topic K, cfg *pipeline.Queue[T]) (*chanio.Source[T], error) {
	s, err := b.subscribe(b.shard(topic), &subscription[K, T]{name: topic}, "Subscribe", cfg)
	if err != nil {
		return nil, err
	}
	return s.source(), nil
}

// subscribe adds s to sh, with the configured queue. Subscriptions without a configuration share the default one.
func (b *Bus[K, T]) subscribe(
	sh *shard[K, T], s *subscription[K, T], caller string, cfg *pipeline.Queue[T],
) (*subscription[K, T], error) {
	s.shard, s.userCode = sh, s.match != nil || s.member != nil
	if cfg == nil {
		s.q = queue.New(b.standard, nil)
	} else {
		s.q = queue.New(queue.Config[T](*cfg).Default("bus: "+caller, queue.DropOldest), nil)
		s.userCode = s.userCode || cfg.Metric != nil || cfg.OnOverflow != nil
	}
	if s.member != nil {
		s.member.q = s.q
	}
	if !sh.add(s) {
		return nil, net.ErrClosed
	}
	return s, nil
}

// SubscribeFunc returns a Source of the values of all current and future topics for which match returns true. Every
// publisher calls match, so it must be quick and safe for concurrent use. For hierarchical topics see [Wildcard]. It is
// otherwise like Subscribe.
func (b *Bus[K, T]) SubscribeFunc(match func(topic K) bool, cfg *pipeline.Queue[T]) (*chanio.Source[T], error) {
	if match == nil {
		panic("bus: SubscribeFunc: match is nil")
	}
	s, err := b.subscribe(&b.matches, &subscription[K, T]{match: match}, "SubscribeFunc", cfg)
	if err != nil {
		return nil, err
	}
	b.matching.Store(true)
	return s.source(), nil
}

// Topics returns the topics that have subscribers, in no particular order.
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

// Subscribers describes the queues of a topic, not including those of predicates. Without subscribers it returns none.
func (b *Bus[K, T]) Subscribers(topic K) []chanio.Description {
	var all []chanio.Description
	subs, _ := b.shard(topic).subscribers(topic)
	for _, s := range subs {
		all = append(all, s.describe())
	}
	return all
}

// Close ends all subscriptions, after the values in their queues, and rejects further ones. It does not wait for
// subscribers. Blocked publishers return. It is idempotent and returns nil.
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
