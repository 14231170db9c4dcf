package http2

import (
	"context"
	"time"
)

// Open opens a stream with the header list of a request; end says that no body follows. It waits while the peer allows
// no more streams. If the connection takes no new streams, the error is a [*StreamError] that is Unprocessed.
func (c *Conn) Open(ctx context.Context, fields []Field, end bool) (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.closedLocked(); err != nil {
			return nil, &StreamError{Code: RefusedStream, unprocessed: true, cause: err}
		}
		if len(c.streams) < c.peer.maxOpen && len(c.send.out) <= maxWaiting {
			break
		}
		if err := c.waitLocked(ctx); err != nil {
			return nil, err
		}
	}
	s := c.newStream(c.nextOut)
	c.nextOut += 2
	if c.nextOut > 1<<31-1 {
		c.sayLeavingLocked()
	}
	if len(c.streams) == 0 {
		c.busy = time.Now()
		if c.asked.IsZero() {
			c.asked = c.busy
		}
	}
	c.streams[s.id] = s
	method := methodOf(fields)
	s.noBody, s.tunnel = method == "HEAD", method == "CONNECT"
	c.send.headersLocked(s.id, fields, end)
	if end {
		s.Out.ends, s.sentEnd = true, true
	}
	c.send.pushSoonLocked()
	return s, nil
}

// Free returns how many streams can be opened now without waiting.
func (c *Conn) Free() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closedLocked() != nil {
		return 0
	}
	return max(c.peer.maxOpen-len(c.streams), 0)
}

// methodOf returns the method of a request.
func methodOf(fields []Field) string {
	for i := range fields {
		if fields[i].Name == ":method" {
			return fields[i].Value
		}
	}
	return ""
}
