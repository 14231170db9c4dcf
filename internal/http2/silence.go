package http2

import (
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// silence returns until when the connection may be silent. Then silent decides what to do.
func (rc *receiver) silence() time.Time {
	c := rc.c
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.peer.settled:
		return rc.input.until
	case !rc.probing.IsZero():
		return rc.probing
	}
	return deadline.Earlier(rc.idleLimitLocked(), rc.pingLimitLocked())
}

func (rc *receiver) idleLimitLocked() time.Time {
	c := rc.c
	if c.client || c.cfg.IdleTimeout < 0 {
		return time.Time{}
	}
	since := c.busy
	if len(c.streams) > 0 || c.running > 0 {
		since = time.Now()
	}
	return since.Add(c.cfg.IdleTimeout)
}

// frameLimit returns until when the next byte of a frame must arrive. A frame does not keep an idle connection.
func (rc *receiver) frameLimit() time.Time {
	c := rc.c
	limit := deadline.In(c.cfg.FrameTimeout)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.streams) > 0 || c.running > 0 {
		return limit
	}
	return deadline.Earlier(limit, rc.idleLimitLocked())
}

func (rc *receiver) pingLimitLocked() time.Time {
	c := rc.c
	if c.cfg.PingAfter < 0 {
		return time.Time{}
	}
	if !c.asked.After(rc.heard) {
		c.asked = time.Time{}
	}
	since := c.asked // also if the stream has been reset since, as by a request that timed out
	switch {
	case !since.IsZero():
	case len(c.streams) == 0:
		since = time.Now()
	default:
		since = rc.heard
	}
	return since.Add(c.cfg.PingAfter)
}

// silent is called when nothing has arrived until the time that silence returned.
func (rc *receiver) silent() error {
	c := rc.c
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.peer.settled {
		return errNoSettings
	}
	if !rc.probing.IsZero() {
		if now.Before(rc.probing) {
			return nil
		}
		return &ConnError{Code: NoError, Reason: "no answer to a ping"}
	}
	if limit := rc.idleLimitLocked(); !limit.IsZero() && !now.Before(limit) {
		return errIdle
	}
	if limit := rc.pingLimitLocked(); !limit.IsZero() && !now.Before(limit) {
		rc.probing = now.Add(max(c.cfg.PingTimeout, 0))
		c.send.out = appendPing(c.send.outLocked(), 0, probe)
		c.send.pushLocked()
	}
	return nil
}
