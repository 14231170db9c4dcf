package httpd

import (
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// The states of a connection. A shutdown asks an idle one to finish.
const (
	isBusy int32 = iota
	isIdle       // waits for a request
	isTold       // was idle when asked to finish, and has a deadline in the past
)

// drain is called when the server shuts down.
func (c *conn) drain(error) {
	c.draining.Store(true)
	c.tell()
}

// tell ends the wait for a request, if there is one. A request that has begun to arrive is served.
func (c *conn) tell() {
	c.telling.Lock()
	defer c.telling.Unlock()
	if c.state.CompareAndSwap(isIdle, isTold) {
		_ = c.setReadDeadline(past)
	}
}

// arrives reports, after tell, whether a request has begun to arrive.
func (c *conn) arrives() bool {
	if len(c.src.Buffered()) == 0 {
		c.extend(lastWait) // a deadline in the past would prevent the read
		if c.src.Fill(c.io, 1) != nil {
			return false
		}
	}
	c.extend(c.srv.cfg.HeadTimeout)
	return true
}

// lastWait is how long a read may take that finds bytes at hand.
const lastWait = 10 * time.Millisecond

// extend replaces the deadline of tell.
func (c *conn) extend(d time.Duration) {
	c.telling.Lock()
	defer c.telling.Unlock()
	_ = c.setReadDeadline(deadline.In(d))
}

// await waits for the first byte of a request.
func (c *conn) await() bool {
	if len(c.src.Buffered()) > 0 {
		return true
	}
	c.idle()
	switch {
	case c.served == 0:
		_ = c.setReadDeadline(deadline.In(c.srv.cfg.HeadTimeout))
	case c.idling.bounded.Load():
		_ = c.setReadDeadline(time.Time{})
	}
	c.state.Store(isIdle)
	if c.draining.Load() {
		c.tell()
	}
	inTime := c.fill()
	if !c.state.CompareAndSwap(isIdle, isBusy) {
		return c.arrives()
	}
	return inTime
}

// fill waits for bytes, and reports whether any arrived before the deadline.
func (c *conn) fill() bool {
	if c.served == 0 || c.srv.cfg.IdleTimeout < 0 {
		return c.src.Fill(c.io, 1) == nil
	}
	since := c.idling.start(c)
	err := c.src.Fill(c.io, 1)
	return c.idling.end(since) && err == nil
}

// setReadDeadline sets the read deadline of the Conn. Every Conn of a Listener supports deadlines.
func (c *conn) setReadDeadline(t time.Time) error {
	c.idling.bounded.Store(!t.IsZero())
	return c.nc.SetReadDeadline(t)
}
