// Package dnscache caches answers for their TTL, up to a maximum number, and shares lookups: concurrent callers with
// the same question get the same answer.
package dnscache

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// Cache stores values by key, up to a maximum number, and evicts the least recently used one. It starts no goroutine.
// Its methods are safe for concurrent use.
type Cache[K comparable, V any] struct {
	max int

	mu      sync.Mutex
	entries map[K]*list.Element // of *entry[K, V]
	used    list.List           // most recently used first
	flights map[K]*flight[V]
}

// flight is a fetch in progress. Its result is set before done is closed.
type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
	own   bool // the failure concerns only the leader: its ctx ended or hurried it, or fetch did not return
}

type entry[K comparable, V any] struct {
	key     K
	value   V
	expires time.Time
}

// New returns a Cache of at most max values. With 0 it stores none, but still shares lookups.
func New[K comparable, V any](max int) *Cache[K, V] {
	return &Cache[K, V]{max: max, entries: map[K]*list.Element{}, flights: map[K]*flight[V]{}}
}

// Do returns the cached value of key. Without one it calls fetch and caches its result for ttl. While one caller
// fetches, others with the same key wait for its result and share it, also if it is a failure or its ttl is 0. A
// failure after the end of the fetching caller's ctx, or with a negative ttl, is not shared, because that ctx may be the
// reason. The next waiting caller then fetches again. Do returns ctx's cause if ctx ends while it waits.
func (c *Cache[K, V]) Do(ctx context.Context, key K, fetch func() (v V, ttl time.Duration, err error)) (none V, err error) {
	for {
		v, f, leader := c.begin(key)
		switch {
		case f == nil:
			return v, nil
		case leader:
			return c.fetch(ctx, key, f, fetch)
		}
		select {
		case <-f.done:
			if !f.own {
				return f.value, f.err
			}
		case <-ctx.Done():
			return none, deadline.Cause(ctx)
		}
	}
}

// begin returns one of three results: the value of key with a nil flight; the flight in progress; or a new flight with
// leader set, which the caller must complete by calling fetch.
func (c *Cache[K, V]) begin(key K) (v V, f *flight[V], leader bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		if held := e.Value.(*entry[K, V]); time.Now().Before(held.expires) {
			c.used.MoveToFront(e)
			return held.value, nil, false
		}
		c.remove(e)
	}
	if f = c.flights[key]; f == nil {
		f, leader = &flight[V]{done: make(chan struct{}), own: true}, true
		c.flights[key] = f
	}
	return v, f, leader
}

// fetch completes the flight f for its leader.
func (c *Cache[K, V]) fetch(
	ctx context.Context, key K, f *flight[V], fetch func() (V, time.Duration, error),
) (V, error) {
	var ttl time.Duration
	defer func() { // also if fetch panics: f.own is still true then
		c.mu.Lock()
		defer c.mu.Unlock()
		close(f.done)
		if c.flights[key] != f {
			return // Clear has been called since
		}
		delete(c.flights, key)
		if ttl > 0 && f.err == nil {
			c.add(&entry[K, V]{key, f.value, time.Now().Add(ttl)})
		}
	}()
	f.value, ttl, f.err = fetch()
	f.own = f.err != nil && (ctx.Err() != nil || ttl < 0)
	return f.value, f.err
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

// Len returns the number of stored values, including expired ones.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// Clear empties the cache. Callers waiting for a fetch in progress still get its result, but it is not cached, and
// callers that come after Clear fetch again.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	clear(c.flights)
	c.used.Init()
}
