package httpd

import (
	"context"
	"slices"
	"sync"
)

// socketContext is the context of the function of a WebSocket handler. It ends with the context of the request, and when its
// connection does. It does what context.WithCancel would do in less memory, of which each idle WebSocket has its share:
// what waits for its end needs no context of its own.
type socketContext struct {
	context.Context // of the request

	mu    sync.Mutex
	done  chan struct{} // made on demand
	err   error
	after []*func()
}

// Done implements context.Context.
func (c *socketContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err implements context.Context. The cause is the parent's, if that ended it.
func (c *socketContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AfterFunc is what package context uses if it is there: f runs in a goroutine of its own once c has ended, unless stop comes
// before.
func (c *socketContext) AfterFunc(f func()) (stop func() bool) {
	key := &f
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	c.after = append(c.after, key)
	return func() bool { return c.forget(key) }
}

func (c *socketContext) forget(key *func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.after, key)
	if i < 0 {
		return false
	}
	c.after = slices.Delete(c.after, i, i+1)
	return true
}

// cancel ends c.
func (c *socketContext) cancel() {
	err := c.Context.Err()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = context.Canceled
	if err != nil {
		c.err = err
	}
	if c.done != nil {
		close(c.done)
	}
	for _, f := range c.after {
		go (*f)() // as context.AfterFunc does
	}
	c.after = nil
}
