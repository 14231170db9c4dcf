// Package dnscache remembers answers for as long as they hold, in a bounded space, and has each question asked by one
// caller at a time.
package dnscache

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// Cache remembers values by key. It holds at most a given number, of which the one that was not used for the longest
// time makes room for a new one. It starts no goroutine; its methods are for any goroutine.
type Cache[K comparable, V any] struct {
	max int

	mu      sync.Mutex
	entries map[K]*list.Element // of *entry[K, V]
	used    list.List           // the latest first
	flights map[K]chan struct{} // closed when the fetch is over
}

type entry[K comparable, V any] struct {
	key     K
	value   V
	expires time.Time
}

// New returns a Cache of at most max values; with 0 it remembers none, but still has each question asked once.
func New[K comparable, V any](max int) *Cache[K, V] {
	return &Cache[K, V]{max: max, entries: map[K]*list.Element{}, flights: map[K]chan struct{}{}}
}

// Do returns the value of key: the one it remembers, or what fetch returns, which is then remembered for its ttl. While
// one caller fetches, others with the same key wait for that. A failed fetch is its caller's own, since its ctx may be the
// reason: the next in line tries again. Do returns ctx's cause if that ends while it waits.
func (c *Cache[K, V]) Do(ctx context.Context, key K, fetch func() (v V, ttl time.Duration, err error)) (V, error) {
	for {
		v, ok, flight := c.begin(key)
		if ok {
			return v, nil
		}
		if flight == nil {
			return c.fetch(key, fetch)
		}
		select {
		case <-flight:
		case <-ctx.Done():
			return v, context.Cause(ctx)
		}
	}
}

// begin returns the value of key, or the flight that is under way, or makes the caller the one who fetches.
func (c *Cache[K, V]) begin(key K) (v V, ok bool, flight chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		if held := e.Value.(*entry[K, V]); time.Now().Before(held.expires) {
			c.used.MoveToFront(e)
			return held.value, true, nil
		}
		c.remove(e)
	}
	if flight = c.flights[key]; flight == nil {
		c.flights[key] = make(chan struct{})
	}
	return v, false, flight
}

func (c *Cache[K, V]) fetch(key K, fetch func() (V, time.Duration, error)) (v V, err error) {
	var ttl time.Duration
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(c.flights[key])
		delete(c.flights, key)
		if ttl > 0 {
			c.add(&entry[K, V]{key, v, time.Now().Add(ttl)})
		}
	}()
	v, d, err := fetch()
	if err == nil {
		ttl = d
	}
	return v, err
}

func (c *Cache[K, V]) add(e *entry[K, V]) {
	if c.max <= 0 {
		return
	}
	if len(c.entries) >= c.max {
		c.remove(c.used.Back())
	}
	c.entries[e.key] = c.used.PushFront(e)
}

func (c *Cache[K, V]) remove(e *list.Element) {
	c.used.Remove(e)
	delete(c.entries, e.Value.(*entry[K, V]).key)
}

// Len returns how many values are held, those that no longer hold included.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// Clear forgets everything. A fetch under way is not affected.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.used.Init()
}
