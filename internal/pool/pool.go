// Package pool keeps memory for reuse, as sync.Pool does, but for a time instead of for two garbage collections.
//
// A server with a small heap collects many times a second. A sync.Pool drops what one burst of work has used before the
// next burst comes, so the heap shrinks and grows all the time, the collector runs more often, and the runtime returns
// memory to the system that it needs again at once. An echo of small frames over 64 connections took a fifth more time.
package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Window is how long values are kept if collections follow each other quickly.
const Window = time.Second

// most is how many values are kept; beyond that a sync.Pool alone decides.
const most = 1 << 14

// Pool is a sync.Pool of pointers. It must not be copied after first use.
type Pool[T any] struct {
	New func() *T // called by Get if no value is free; if it is nil, Get returns nil

	free    sync.Pool
	watched atomic.Bool // there will be a call of collected after the next collection

	trimmed time.Time // when values were last left to the collector
	leave   int       // for how many more collections they are
}

// Get returns a value that was put, or a new one.
func (p *Pool[T]) Get() *T {
	if v, ok := p.free.Get().(*T); ok {
		return v
	}
	if p.New == nil {
		return nil
	}
	return p.New()
}

// Put makes v available to Get.
func (p *Pool[T]) Put(v *T) {
	p.free.Put(v)
	if !p.watched.Load() && p.watched.CompareAndSwap(false, true) {
		p.watch()
	}
}

// watch arranges that collected is called after the next collection, and after later ones while it wants that.
func (p *Pool[T]) watch() {
	runtime.AddCleanup(&sentinel{}, func(p *Pool[T]) {
		if p.collected(time.Now()) {
			p.watch()
		} else {
			p.watched.Store(false)
		}
	}, p)
}

// sentinel becomes garbage at once. Without the pointer it could share memory with other small values, and live longer.
type sentinel struct{ _ *byte }

// collected puts free values back, so that the next collection does not drop those that nobody has used since the last
// one. In each Window it leaves two collections alone, and what was not used between these is dropped. It reports
// whether it wants to be called again; if not, the next Put sees to that, and nothing holds a Pool that is not in use.
func (p *Pool[T]) collected(now time.Time) bool {
	if p.leave == 0 && now.Sub(p.trimmed) >= Window {
		p.leave, p.trimmed = 2, now
	}
	if p.leave > 0 {
		p.leave--
		return p.leave > 0
	}
	var kept []any
	for len(kept) < most {
		v := p.free.Get()
		if v == nil {
			break
		}
		kept = append(kept, v)
	}
	for _, v := range kept {
		p.free.Put(v)
	}
	return len(kept) > 0
}
