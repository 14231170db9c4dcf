package http2

import (
	"time"

	frames "golang.org/x/net/http2"
)

// Shutdown ends the connection gracefully. A server sends GOAWAY in two steps, so that no request on its way is lost:
// the first announces the end, and after a round trip the second names the last stream. A client opens no more streams.
// Serve or Run returns nil when the open streams have ended. Shutdown does not block.
func (c *Conn) Shutdown() {
	c.mu.Lock()
	if c.leaving != staying || c.err != nil {
		c.mu.Unlock()
		return
	}
	c.leaving = asked
	c.sayLeavingLocked()
	c.changeLocked()
	if !c.client {
		c.send.out = appendGoAway(c.send.outLocked(), 1<<31-1, NoError, "")
		c.send.out = appendPing(c.send.out, 0, goodbye)
		c.finalStep = time.AfterFunc(max(c.cfg.GoAwayTimeout, 0), c.leaveNow)
		c.send.pushLocked()
	}
	c.endIfOverAndUnlock()
}

// Left reports whether this side has sent GOAWAY.
func (c *Conn) Left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaving != staying
}

// leaveNow is the second step of a server's shutdown.
func (c *Conn) leaveNow() {
	c.mu.Lock()
	if c.leaving == asked && !c.client && c.err == nil {
		c.finalStep.Stop()
		c.sayGoodbyeLocked(NoError, "")
	}
	c.endIfOverAndUnlock()
}

// endIfOverAndUnlock lets the reader return if the connection is over.
func (c *Conn) endIfOverAndUnlock() {
	over := c.checkOverLocked()
	c.mu.Unlock()
	if over {
		c.nc.EndIn(errOver)
	}
}

// onGoAway records that the peer takes no new streams, and ends those that it has not processed.
func (rc *receiver) onGoAway(f *frames.GoAwayFrame) error {
	c := rc.c
	c.mu.Lock()
	why := &ConnError{Code: Code(f.ErrCode), Remote: true, Reason: string(f.DebugData())}
	last := f.LastStreamID
	if c.peer.goAway != nil {
		last = min(last, c.peer.goAwayMax)                     // streams that have ended stay ended
		if err := c.noiseLocked("GOAWAY frames"); err != nil { // more than the two of a shutdown
			c.mu.Unlock()
			return err
		}
	}
	c.peer.goAway, c.peer.goAwayMax = why, last
	c.sayLeavingLocked()
	var gone []*Stream
	if c.client {
		for id, s := range c.streams {
			if id > last {
				s.endLocked(&StreamError{Code: RefusedStream, Remote: true, unprocessed: true, cause: why})
				gone = append(gone, s)
			}
		}
	}
	for _, s := range gone {
		c.dropLocked(s, resetHere) // a peer that has answered nevertheless is not an error
	}
	c.changeLocked()
	c.endIfOverAndUnlock()
	tell(gone)
	return nil
}
