package http2

import (
	frames "golang.org/x/net/http2"
)

// refuse resets a stream because of what the peer sent. It counts as a reset by the peer. An idle stream cannot be
// reset: RFC 9113 6.4.
func (c *Conn) refuse(id uint32, why *StreamError) error {
	c.mu.Lock()
	if c.idleLocked(id) {
		c.mu.Unlock()
		return protocolError("frame for a stream that is idle")
	}
	if !c.client && !c.resets.take() {
		c.mu.Unlock()
		return calm("too many streams that had to be reset")
	}
	s := c.streams[id]
	told := false
	if s != nil {
		told = s.resetLocked(why)
	} else {
		c.send.addResetLocked(id, why.Code, true)
		if c.past.how(id) == unknown {
			c.past.add(id, resetHere)
		}
	}
	err := c.send.checkOwedLocked()
	c.send.pushLocked()
	c.endIfOverAndUnlock()
	if told {
		s.tellHandler()
	}
	return err
}

// onReset handles a RST_STREAM of the peer.
func (rc *receiver) onReset(f *frames.RSTStreamFrame) error {
	c := rc.c
	c.mu.Lock()
	if c.idleLocked(f.StreamID) {
		c.mu.Unlock()
		return protocolError("RST_STREAM for a stream that is idle")
	}
	if !c.client && !c.resets.take() {
		c.mu.Unlock()
		return calm("too many streams that were reset")
	}
	s := c.streams[f.StreamID]
	if s == nil {
		c.mu.Unlock()
		return nil
	}
	code := Code(f.ErrCode)
	s.endLocked(&StreamError{Code: code, Remote: true, unprocessed: code == RefusedStream || code == HTTP11Required})
	c.dropLocked(s, resetByPeer)
	c.endIfOverAndUnlock()
	s.tellHandler()
	return nil
}
