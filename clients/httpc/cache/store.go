package cache

import (
	"container/list"
	"context"
	"sync"
)

// Store keeps what a [Cache] gives it. Its methods are for any goroutine. The slices must not be changed afterwards, by
// either side. Keys are up to 100 letters, digits and dots.
//
// A Store may forget what it likes at any time. An error, or a panic, is logged and means that there is nothing.
type Store interface {
	// Get returns what Put was given, or nil if there is nothing.
	Get(ctx context.Context, key string) ([]byte, error)

	// Put keeps p in the place of what was there.
	Put(ctx context.Context, key string, p []byte) error

	// Delete forgets what is there, if anything is.
	Delete(ctx context.Context, key string) error
}

// Memory is a [Store] in memory that forgets first what was used last.
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

// entryCost is about what an entry costs beside its bytes and its key.
const entryCost = 200

// NewMemory returns a Memory of at most max bytes, keys and overhead included.
func NewMemory(max int64) *Memory {
	return &Memory{max: max, entries: map[string]*list.Element{}}
}

// Get is of [Store]. It does not fail.
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

// Put is of [Store]. What does not fit at all is not kept. It does not fail.
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

// Delete is of [Store]. It does not fail.
func (m *Memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleteLocked(key)
	return nil
}

// Len returns how many bytes are kept, keys and overhead included.
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
