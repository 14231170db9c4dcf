package chanio

import (
	"log/slog"
	"sync"

	"github.com/weir-go/weir/internal/stream"
)

// drain holds the functions registered with OnDrain and the cause, once the Conn has been asked to finish. Idle
// connections have one, so it is small.
type drain struct {
	log *slog.Logger

	mu    sync.Mutex
	asked bool
	cause error
	funcs stream.Funcs[func(cause error)] // registered and not taken back
}

// draining returns the drain of c.
func (c *Conn) draining() *drain {
	if d := c.drain.Load(); d != nil {
		return d
	}
	c.drain.CompareAndSwap(nil, &drain{log: c.Out.hooks.End.Logger})
	return c.drain.Load()
}

// OnDrain registers f to be called, in its own goroutine, when the connection is asked to finish by [Conn.Drain], or
// now if that has happened. Protocols use it to send their own message, such as HTTP/2's GOAWAY. stop unregisters f and
// reports whether it did so before the call.
func (c *Conn) OnDrain(f func(cause error)) (stop func() bool) {
	d := c.draining()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked {
		go d.call(f)
		return func() bool { return false }
	}
	one := d.funcs.Add(f)
	return func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.funcs.Remove(one)
	}
}

// call runs f, of OnDrain.
func (d *drain) call(f func(error)) { stream.LogPanic(d.log, "OnDrain", func() { f(d.cause) }) }

// Drain asks the connection to finish. It calls the functions registered with [Conn.OnDrain] or, if there are none,
// ends In with cause as [Conn.EndIn] does. Only the first call has an effect. Drain does not block.
func (c *Conn) Drain(cause error) {
	d := c.draining()
	d.mu.Lock()
	if d.asked {
		d.mu.Unlock()
		return
	}
	funcs := d.funcs.All()
	d.asked, d.cause, d.funcs = true, cause, stream.Funcs[func(error)]{}
	d.mu.Unlock()
	for _, f := range funcs {
		go d.call(f)
	}
	if len(funcs) == 0 {
		c.EndIn(cause)
	}
}
