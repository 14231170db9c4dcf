// Package leanctx is context.WithCancel with less memory, for contexts of idle connections.
package leanctx

import (
	"context"
	"sync"
	"sync/atomic"
)

// Context ends when Cancel is called. It is not registered with its parent: the code that watches the parent calls
// Cancel. A wait for its end needs no further context. Its methods may be called by any goroutine.
type Context struct {
	context.Context // the parent, for its values, deadline and cause

	mu    sync.Mutex
	state atomic.Uint32 // written with mu held, so that Done and Err, which every receiving call asks, take no lock
	done  chan struct{} // made on demand, before hasDone is set
	after *waiter
}

// waiter is a function of AfterFunc, in a list.
type waiter struct {
	f    func()
	next *waiter
}

// Bits of state.
const (
	hasDone   = 1 << iota
	cancelled // it has ended
	outlived  // and the parent had before
)

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	if c.state.Load()&hasDone == 0 {
		c.makeDone()
	}
	return c.done
}

func (c *Context) makeDone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state.Load()
	if state&hasDone != 0 {
		return
	}
	c.done = make(chan struct{})
	if state != 0 {
		close(c.done)
	}
	c.state.Store(state | hasDone)
}

// Err implements context.Context. If it is not nil, Done is closed.
func (c *Context) Err() error {
	if c.state.Load()&cancelled == 0 {
		return nil
	}
	c.mu.Lock() // Cancel closes done before it unlocks
	defer c.mu.Unlock()
	if c.state.Load()&outlived != 0 {
		return c.Context.Err()
	}
	return context.Canceled
}

// AfterFunc is used by package context: it runs f in its own goroutine when c has ended, unless stop is called before.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load()&cancelled != 0 {
		go f()
		return func() bool { return false }
	}
	w := &waiter{f, c.after}
	c.after = w
	return func() bool { return c.forget(w) }
}

// forget removes w from the list and reports whether it was there.
func (c *Context) forget(w *waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := &c.after; *at != nil; at = &(*at).next {
		if *at == w {
			*at = w.next
			return true
		}
	}
	return false
}

// Cancel ends c, with the parent's error if the parent has ended.
func (c *Context) Cancel() {
	err := c.Context.Err()
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state.Load()
	if state&cancelled != 0 {
		return
	}
	end := uint32(cancelled)
	if err != nil {
		end |= outlived
	}
	c.state.Store(state | end)
	if state&hasDone != 0 {
		close(c.done)
	}
	for w := c.after; w != nil; w = w.next {
		go w.f() // as context.AfterFunc does
	}
	c.after = nil
}
