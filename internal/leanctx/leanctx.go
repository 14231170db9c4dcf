// Package leanctx is context.WithCancel with less memory, for contexts of idle connections.
package leanctx

import (
	"context"
	"slices"
	"sync"
)

// Context ends when Cancel is called. It is not registered with its parent: the code that watches the parent calls
// Cancel. A wait for its end needs no further context. Its methods may be called by any goroutine.
type Context struct {
	context.Context // the parent, for its values, deadline and cause

	mu    sync.Mutex
	state state
	done  chan struct{} // made on demand
	after []*func()
}

// state records whether a Context has ended. It is smaller than an error.
type state uint8

const (
	lives state = iota
	cancelled
	outlived // the parent had ended before
)

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.state != lives {
			close(c.done)
		}
	}
	return c.done
}

// Err implements context.Context.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case cancelled:
		return context.Canceled
	case outlived:
		return c.Context.Err()
	}
	return nil
}

// AfterFunc is used by package context: it runs f in its own goroutine when c has ended, unless stop is called before.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	key := &f
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != lives {
		go f()
		return func() bool { return false }
	}
	c.after = append(c.after, key)
	return func() bool { return c.forget(key) }
}

func (c *Context) forget(key *func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.after, key)
	if i < 0 {
		return false
	}
	c.after = slices.Delete(c.after, i, i+1)
	return true
}

// Cancel ends c, with the parent's error if the parent has ended.
func (c *Context) Cancel() {
	err := c.Context.Err()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != lives {
		return
	}
	c.state = cancelled
	if err != nil {
		c.state = outlived
	}
	if c.done != nil {
		close(c.done)
	}
	for _, f := range c.after {
		go (*f)() // as context.AfterFunc does
	}
	c.after = nil
}
