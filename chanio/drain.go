package chanio

import "sync"

// drain is a request to a Conn to finish what it is doing. The functions that heed it are registered with an End, which
// runs each in a goroutine of its own, also late ones.
type drain struct {
	asked End

	mu    sync.Mutex
	funcs int // registered and not taken back
}

// draining returns the drain of c.
func (c *Conn) draining() *drain {
	if d := c.drain.Load(); d != nil {
		return d
	}
	d := new(drain)
	d.asked.Logger = c.Out.hooks.End.Logger
	c.drain.CompareAndSwap(nil, d)
	return c.drain.Load()
}

// OnDrain has f called, in a goroutine of its own, when somebody asks the connection to finish by [Conn.Drain], or now if
// that has happened. It is how a protocol says goodbye in its own words, such as HTTP/2's GOAWAY. stop takes f back and
// reports whether it did so before the call.
func (c *Conn) OnDrain(f func(cause error)) (stop func() bool) {
	d := c.draining()
	d.mu.Lock()
	d.funcs++
	d.mu.Unlock()
	stopped := d.asked.OnDone(func() { f(d.asked.Err()) })
	return func() bool {
		if !stopped() {
			return false
		}
		d.mu.Lock()
		d.funcs--
		d.mu.Unlock()
		return true
	}
}

// Drain asks the connection to finish because of cause: it calls the functions given to [Conn.OnDrain] or, if there is
// none, ends In with cause as [Conn.EndIn] does. Only the first call counts. Drain does not block.
func (c *Conn) Drain(cause error) {
	d := c.draining()
	d.mu.Lock()
	heeded := d.funcs > 0
	first := d.asked.Set(cause)
	d.mu.Unlock()
	if first && !heeded {
		c.EndIn(cause)
	}
}
