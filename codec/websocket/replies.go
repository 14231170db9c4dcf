package websocket

import "time"

// replyPause is how long nothing may be received or sent, after the peer's Close frame, before that is answered.
const replyPause = time.Second

// replies is the state between the peer's Close frame and its answer.
type replies struct {
	waits          bool          // for replies
	turns          uint64        // of receivers, at the last look
	entered        uint32        // messages accepted until then
	received, sent time.Duration // when these had changed, or bye.heard
}

// awaitReplies has the peer's Close frame answered after the replies to earlier messages, or at once if none can
// follow.
func (c *Conn) awaitReplies() {
	if !c.w.end.Open() {
		c.maybeFinish()
		return
	}
	c.mu.Lock()
	who, turns := c.who.present()
	entered, _, _ := c.w.gate.entries()
	waits := !c.inOver && (who == receiver || turns > 0 || len(c.rd.queue) > 0)
	bye := c.byeLocked()
	bye.replies = replies{waits, turns, entered, bye.heard, bye.heard}
	c.mu.Unlock()
	if waits {
		c.rouse()
	} else {
		c.startFinish()
	}
}

// repliesLocked returns when to look again whether the replies have been sent, or 0 if the Close frame is to be
// answered now.
func (c *Conn) repliesLocked() time.Duration {
	bye, now := c.byeLocked(), now()
	r := &bye.replies
	_, turns := c.who.present()
	entered, writing, alone := c.w.gate.entries()
	if turns != r.turns {
		r.turns, r.received = turns, now
	}
	if writing || alone || entered != r.entered {
		r.entered, r.sent = entered, now
	}
	left := min(max(r.received, r.sent)+replyPause, r.received+c.cfg.CloseTimeout, r.sent+c.cfg.CloseTimeout/2) - now
	if left <= 0 || c.inOver || !c.w.end.Open() {
		r.waits = false
		return 0
	}
	return left
}

// overdue returns an error if a message in parts continues for too long after the peer's Close frame.
func (c *Conn) overdue() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bye.hasHeard() && now() > c.bye.heard+c.cfg.CloseTimeout {
		return lateError("message in parts was not over " + c.cfg.CloseTimeout.String() + " after the peer's Close frame")
	}
	return nil
}
