package servers

import (
	"context"
	"slices"
	"sync"
)

// handlerContext is the ctx of one handler. It ends with the ctx of Serve, which ends all of them in one go, and when its
// handler has returned. It does what context.WithCancel would do in less memory, of which each idle connection has its
// share: it is not registered with its parent, and what waits for its end needs no context of its own.
type handlerContext struct {
	context.Context // of Serve

	mu    sync.Mutex
	done  chan struct{} // made on demand
	err   error
	after []*func()
}

// Done implements context.Context.
func (c *handlerContext) Done() <-chan struct{} {
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
func (c *handlerContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AfterFunc is what context.AfterFunc uses if it is there: f runs in a goroutine of its own once c has ended, unless
// stop comes before.
func (c *handlerContext) AfterFunc(f func()) (stop func() bool) {
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

func (c *handlerContext) forget(key *func()) bool {
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
func (c *handlerContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = context.Canceled
	if err := c.Context.Err(); err != nil {
		c.err = err
	}
	if c.done != nil {
		close(c.done)
	}
	for _, f := range c.after {
		go (*f)()
	}
	c.after = nil
}

// contexts are those of the handlers of one Serve.
type contexts struct {
	parent context.Context
	mu     sync.Mutex
	open   map[*handlerContext]struct{}
}

// newContexts returns the contexts of handlers that end with parent; stop lets go of parent.
func newContexts(parent context.Context) (cs *contexts, stop func() bool) {
	cs = &contexts{parent: parent, open: map[*handlerContext]struct{}{}}
	return cs, context.AfterFunc(parent, cs.cancelAll)
}

func (cs *contexts) add() *handlerContext {
	c := &handlerContext{Context: cs.parent}
	cs.mu.Lock()
	cs.open[c] = struct{}{}
	cs.mu.Unlock()
	if cs.parent.Err() != nil { // cancelAll may have passed
		c.cancel()
	}
	return c
}

// drop cancels c.
func (cs *contexts) drop(c *handlerContext) {
	cs.mu.Lock()
	delete(cs.open, c)
	cs.mu.Unlock()
	c.cancel()
}

func (cs *contexts) cancelAll() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		c.cancel()
	}
}
