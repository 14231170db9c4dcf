package clients

import (
	"sync/atomic"
)

// Lease is the use of one value of a [Pool]. It is for one goroutine at a time.
type Lease[T any] struct {
	pool     *Pool[T]
	value    *pooled[T]
	broken   bool
	released atomic.Bool
}

// lease counts e as in use.
func (p *Pool[T]) lease(e *pooled[T]) *Lease[T] {
	p.mu.Lock()
	p.inUse++
	p.stats.Leased++
	p.mu.Unlock()
	p.openAhead()
	return &Lease[T]{pool: p, value: e}
}

// Value returns the value, which the caller may use until Release.
func (l *Lease[T]) Value() T { return l.value.v }

// Broken marks the value as unusable, so that Release closes it. Call it after an interrupted exchange, whose reply may
// still arrive.
func (l *Lease[T]) Broken() { l.broken = true }

// Release returns the value to the pool, for the next waiter, or closes it if it is broken or too old. It does not
// block otherwise. It must be called exactly once, usually by defer; a second call panics.
func (l *Lease[T]) Release() {
	if l.released.Swap(true) {
		panic("clients: a Lease was released twice")
	}
	p := l.pool
	p.mu.Lock()
	p.inUse--
	if l.broken {
		p.stats.Broken++
	}
	p.mu.Unlock()
	if l.broken {
		p.discard(l.value)
		return
	}
	if p.reset != nil {
		p.reset(l.value.v)
	}
	p.put(l.value)
}
