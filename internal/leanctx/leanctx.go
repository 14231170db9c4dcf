// Package leanctx is context.WithCancel in less memory, for contexts of which there is one for each idle connection.
package leanctx

import (
	"context"
	"slices"
	"sync"
)

// Context ends when Cancel is called, which is for whatever watches the context that it is made of: it is not registered
// with that one, and what waits for its end needs no context of its own. Its methods are for any goroutine.
type Context struct {
	context.Context // that it is made of: for its values, its deadline and its cause

	mu    sync.Mutex
	state state
	done  chan struct{} // made on demand
	after []*func()
}

// state says whether a Context has ended. It takes less room than the error.
type state uint8

const (
	lives state = iota
	cancelled
	outlived // the context that it is made of had ended before
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

// AfterFunc is what package context uses if it is there: f runs in a goroutine of its own once c has ended, unless stop comes
// before.
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

// Cancel ends c, with the error of the context that it is made of if that has ended.
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
