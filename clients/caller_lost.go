package clients

import (
	"slices"
	"time"
)

// abandon records that the call of c no longer waits for its reply.
func (cl *Caller[R, W]) abandon(c *request[R]) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.err == nil && cl.cfg.Lost >= 0 && cl.isOutstanding(c) {
		c.timer = time.AfterFunc(cl.cfg.Lost, func() { cl.forget(c) })
	}
}

// isOutstanding reports whether c has no reply yet. The caller holds mu.
func (cl *Caller[R, W]) isOutstanding(c *request[R]) bool {
	if cl.tags != nil {
		return cl.calls[c.id] == c
	}
	return slices.Contains(cl.queue, c)
}

// forget stops waiting for the reply to c. It runs in the goroutine of a timer.
func (cl *Caller[R, W]) forget(c *request[R]) {
	cl.mu.Lock()
	if cl.err != nil || !cl.isOutstanding(c) {
		cl.mu.Unlock()
		return
	}
	cl.forgot++
	if cl.endsWithout(c) {
		cl.mu.Unlock()
		cl.fail(ErrLostReply)
		return
	}
	delete(cl.calls, c.id)
	cl.lost[c.id] = struct{}{}
	cl.mu.Unlock()
	cl.free()
}

// endsWithout reports whether the Caller ends because the reply to c is lost. The caller holds mu.
func (cl *Caller[R, W]) endsWithout(c *request[R]) bool {
	if cl.tags == nil || cl.quits && c.heard == cl.heard.Load() {
		return true
	}
	most := uint64(cl.cfg.MaxOutstanding)
	return uint64(len(cl.lost)) >= min(most, cl.tags.Max-most)
}

// Forgotten returns the number of requests that were forgotten because their replies are lost (see CallerConfig.Lost).
func (cl *Caller[R, W]) Forgotten() uint64 {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.forgot
}
