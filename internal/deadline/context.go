package deadline

import (
	"context"
	"sync"
	"time"
)

// Context is a context that ends at a time that can be moved, even after it has passed: then there is a new Done
// channel. A goroutine woken by an old one may find that Err is nil, and waits again; code that does not expect that gets
// [Context.Once]. The zero Context does not end.
type Context struct {
	mu    sync.Mutex
	done  chan struct{} // made on demand
	ended bool
	at    time.Time
	timer *time.Timer
	funcs []*func() // of AfterFunc
	once  *once     // of done; made on demand
}

var _ context.Context = (*Context)(nil)

// SetDeadline makes the context end at t: at once if t has passed, never if t is zero. It implements [Socket].
func (c *Context) SetDeadline(t time.Time) error {
	c.mu.Lock()
	c.at = t
	if c.timer != nil {
		c.timer.Stop()
	}
	wait := time.Until(t)
	if !t.IsZero() && wait <= 0 {
		c.endAndUnlock()
		return nil
	}
	defer c.mu.Unlock()
	if c.ended {
		c.ended, c.done = false, nil
	}
	switch {
	case t.IsZero():
	case c.timer == nil:
		c.timer = time.AfterFunc(wait, c.expire)
	default:
		c.timer.Reset(wait)
	}
	return nil
}

// expire is called by the timer, perhaps by one that has since been moved.
func (c *Context) expire() {
	c.mu.Lock()
	if c.at.IsZero() || time.Now().Before(c.at) {
		c.mu.Unlock()
		return
	}
	c.endAndUnlock()
}

func (c *Context) endAndUnlock() {
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	if c.done == nil {
		c.done = make(chan struct{})
	}
	close(c.done)
	funcs := c.funcs
	c.funcs = nil
	c.mu.Unlock()
	for _, f := range funcs {
		(*f)()
	}
}

// Done returns a channel that is closed when the context ends.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doneLocked()
}

func (c *Context) doneLocked() <-chan struct{} {
	if c.done == nil {
		c.done = make(chan struct{})
	}
	return c.done
}

// Err returns Exceeded once the context has ended. That error reports by itself that a call may be repeated, because the
// Context may have been moved before the error is judged.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return Exceeded
	}
	return nil
}

// Deadline returns when the context ends.
func (c *Context) Deadline() (t time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, !c.at.IsZero()
}

// Value returns nil.
func (c *Context) Value(any) any { return nil }

// AfterFunc calls f when the context ends, in the goroutine that ends it, or in a new one if it has ended. Package
// context and [Deadline] use it to avoid a goroutine that waits.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		go f()
		return func() bool { return false }
	}
	return c.afterLocked(f)
}

func (c *Context) afterLocked(f func()) (stop func() bool) {
	key := &f
	c.funcs = append(c.funcs, key)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, k := range c.funcs {
			if k == key {
				c.funcs = append(c.funcs[:i], c.funcs[i+1:]...)
				return true
			}
		}
		return false
	}
}

// Once returns a context that ends when c does, and has then ended for good, wherever the time of c is moved to.
func (c *Context) Once() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := c.doneLocked()
	if c.once == nil || c.once.done != done {
		c.once = &once{c, done}
	}
	return c.once
}

// once is a Context up to its first end.
type once struct {
	*Context
	done <-chan struct{}
}

func (o *once) Done() <-chan struct{} { return o.done }

func (o *once) Err() error {
	if Ended(o.done) {
		return Exceeded
	}
	return nil
}

func (o *once) AfterFunc(f func()) (stop func() bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if Ended(o.done) {
		go f()
		return func() bool { return false }
	}
	return o.afterLocked(f)
}

// Ended reports whether done is closed. For the Done channel of a ctx it costs less than Err.
func Ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
