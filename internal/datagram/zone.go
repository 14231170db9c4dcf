package datagram

import (
	"net"
	"strconv"
	"sync"
	"time"
)

// zones caches the results of zoneName and zoneIndex for the zones of IPv6 addresses for a second, because asking the
// system is slow. An interface that goes and comes back has another number, and an interface may get another name.
type zones struct {
	names   memo[uint32, string]
	indexes memo[string, uint32]
}

// zoneName returns the zone for the number of an interface.
func zoneName(index uint32) string {
	if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
		return ifi.Name
	}
	return strconv.FormatUint(uint64(index), 10)
}

// zoneIndex returns the number of the interface that a zone names, or 0.
func zoneIndex(name string) uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	if ifi, err := net.InterfaceByName(name); err == nil {
		return uint32(ifi.Index)
	}
	return 0
}

// memo caches the results of a function.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]V
	since time.Time // of the oldest of known
}

const (
	memoMax = 64 // a host has few interfaces, but the zone in an address may be anything
	memoAge = time.Second
)

// get returns the cached result for k, or that of ask(k).
func (m *memo[K, V]) get(k K, ask func(K) V) V {
	now := time.Now()
	m.mu.Lock()
	v, ok := m.known[k]
	ok = ok && now.Sub(m.since) < memoAge
	m.mu.Unlock()
	if ok {
		return v
	}
	v = ask(k)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= memoMax || now.Sub(m.since) >= memoAge {
		m.known, m.since = map[K]V{}, now
	}
	m.known[k] = v
	return v
}
