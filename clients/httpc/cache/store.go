package cache

import (
	"container/list"
	"context"
	"sync"
)

// Store stores the values of a [Cache]. Its methods must be safe for concurrent use. Neither side may modify the slices
// afterwards. Keys are up to 100 letters, digits and dots.
//
// A Store may evict any value at any time. An error or a panic is logged and treated as a missing value.
type Store interface {
	// Get returns the value of key, or nil if there is none.
	Get(ctx context.Context, key string) ([]byte, error)

	// Put stores p, replacing an earlier value.
	Put(ctx context.Context, key string, p []byte) error

	// Delete removes the value of key, if there is one.
	Delete(ctx context.Context, key string) error
}

// Memory is an in-memory [Store] that evicts the least recently used entries.
type Memory struct {
	max int64

	mu      sync.Mutex
	size    int64
	entries map[string]*list.Element
	order   list.List // of *memoryEntry, the latest first
}

type memoryEntry struct {
	key string
	p   []byte
}

// entryCost is the approximate overhead of an entry.
const entryCost = 200

// NewMemory returns a Memory of at most max bytes, including keys and overhead.
func NewMemory(max int64) *Memory {
	return &Memory{max: max, entries: map[string]*list.Element{}}
}

// Get implements [Store]. It never fails.
func (m *Memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[key]
	if e == nil {
		return nil, nil
	}
	m.order.MoveToFront(e)
	return e.Value.(*memoryEntry).p, nil
}

// Put implements [Store]. It drops a value that is larger than the whole Memory. It never fails.
func (m *Memory) Put(_ context.Context, key string, p []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleteLocked(key)
	cost := costOf(key, p)
	if cost > m.max {
		return nil
	}
	for m.size+cost > m.max {
		m.deleteLocked(m.order.Back().Value.(*memoryEntry).key)
	}
	m.entries[key] = m.order.PushFront(&memoryEntry{key, p})
	m.size += cost
	return nil
}

// Delete implements [Store]. It never fails.
func (m *Memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleteLocked(key)
	return nil
}

// Len returns the number of bytes in use, including keys and overhead.
func (m *Memory) Len() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.size
}

func costOf(key string, p []byte) int64 { return int64(len(key)+cap(p)) + entryCost }

func (m *Memory) deleteLocked(key string) {
	e := m.entries[key]
	if e == nil {
		return
	}
	delete(m.entries, key)
	m.order.Remove(e)
	m.size -= costOf(key, e.Value.(*memoryEntry).p)
}
