package websocket

import "time"

// # How a connection closes
//
// Out and In end by themselves; the connection below is closed when a Close frame has gone and one has come.
//
//	open    -> said    Out was closed here: by Close, CloseWith, the return of a handler, the end of Config.Context, or a
//	                   drain, which say the code. What Out had accepted goes first, within the linger: what its channels
//	                   hold, and a message in parts that is under way. In yields what comes, up to the peer's Close frame.
//	open    -> replies the peer's Close frame has come, with 1000, 1001 or no code. In ends with io.EOF behind what was
//	                   received before it. Out still takes messages, for the consumer may not have come to the end: a
//	                   channel, or the reading ahead, has come to it first.
//	replies -> said    Out was closed here; or nobody has received from In, or it was closed; or nothing was received or
//	                   accepted for replyPause, nothing was received for CloseTimeout, or nothing was accepted for half
//	                   of it, since a peer with the same limit waits while it hears something. The code is the peer's.
//	open    -> said    the peer's Close frame has come with another code, which is the error of both halves. What Out had
//	                   accepted still goes first.
//	said    -> closed  the peer's Close frame has come, before or now. If it does not come within CloseTimeout, while
//	                   the peer sends nothing, the connection is aborted.
//	any     -> closed  the peer has broken a rule: a Close frame with the code that the RFC says goes behind what was
//	                   written, and what waits is dropped; the stream below has failed, or the peer takes nothing for the
//	                   linger: 1006; Abort: the code of its cause, if that has one, within the linger.
//
// RFC 6455, 5.5.1, has the answer to a Close frame go as soon as practical, and lets an endpoint finish what it is sending.
// A message in parts gets CloseTimeout for that.

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
	entered, _ := c.w.gate.entries()
	waits := !c.inOver && (who == receiver || turns > 0 || c.queue.Load() != nil)
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
	entered, busy := c.w.gate.entries()
	if turns != r.turns {
		r.turns, r.received = turns, now
	}
	if busy || entered != r.entered {
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
	if c.readOver && now() > c.bye.heard+c.cfg.CloseTimeout {
		return lateError("message in parts was not over " + c.cfg.CloseTimeout.String() + " after the peer's Close frame")
	}
	return nil
}
