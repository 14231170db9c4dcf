package websocket

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weir-go/weir/chanio"
)

// farewell is how a connection closes. Its fields are guarded by Conn.mu.
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
type farewell struct {
	say     *CloseError   // what Out.Close is to send
	said    time.Duration // when it was sent, or Out failed; 0: neither
	status  *CloseError   // the peer's Close frame
	heard   time.Duration // when that came, or nothing more could be read; 0: neither
	over    chan struct{} // closed when heard is set
	replies replies

	finishing bool // a goroutine closes the connection below, or an abort does
}

// byeLocked returns the farewell of c.
func (c *Conn) byeLocked() *farewell {
	if c.bye == nil {
		c.bye = &farewell{over: make(chan struct{})}
	}
	return c.bye
}

// hasSaid reports whether nothing more will be sent. b may be nil.
func (b *farewell) hasSaid() bool { return b != nil && b.said > 0 }

// hasHeard reports whether nothing more will be received. b may be nil.
func (b *farewell) hasHeard() bool { return b != nil && b.heard > 0 }

// CloseWith closes the connection with a code and a reason: it sends what Out has accepted, then the Close frame, drops
// what still arrives, and returns when the connection has been released, after the peer's answer or CloseTimeout. A peer
// that does not answer is no error. If Out was closed before, or the peer has closed, that code stands, and CloseWith
// returns the same as that close.
//
// For a code that must not be sent, or a reason that is longer than 123 bytes or not UTF-8, it returns
// [ErrInvalidClose] and closes nothing.
func (c *Conn) CloseWith(code Code, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	c.closeAs(code, reason)
	return c.Duplex.Close()
}

// Close is CloseWith(NormalClosure, "").
func (c *Conn) Close() error { return c.CloseWith(NormalClosure, "") }

// Abort ends both halves with cause at once. If cause is or wraps a [*CloseError] whose code may be sent, the peer is sent
// that behind what was accepted, with as much of the reason as fits, and the connection is released within its linger: a
// peer that reads nothing for 5 s gets no code, nor does one that is being sent a message in parts while there is no room.
// With any other cause, on a second Abort, and perhaps when a close has begun, unsent messages are discarded. Abort does
// not block and may be called by any goroutine at any time.
func (c *Conn) Abort(cause error) { c.Out.Abort(cause) }

// closeAs sets the code and reason of the Close frame. Only the first call has an effect.
func (c *Conn) closeAs(code Code, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bye := c.byeLocked(); bye.say == nil {
		bye.say = &CloseError{Code: code, Reason: reason}
	}
}

// goAway closes Out with 1001 when the server shuts down.
func (c *Conn) goAway() {
	c.closeAs(GoingAway, "")
	_ = c.Out.Close() // Out has its error
}

// closeOut is the Close hook of Out.
func (c *Conn) closeOut() error {
	ctx, stop := c.w.end.Lingering()
	defer stop()
	c.closeAs(NormalClosure, "")
	err := c.sendClose(ctx, closing)
	if err == nil {
		err = c.conn.Out.Flush(ctx)
	}
	if err != nil {
		err = abnormal(err)
		c.mu.Lock()
		heard := c.bye.hasHeard()
		c.mu.Unlock()
		if !heard { // otherwise In has its own end
			c.inEnd.Set(err)
		}
		c.conn.Abort(err)
		return err
	}
	c.outEnded()
	return nil
}

// outEnded is called when nothing more will be sent. The connection ends when the peer has sent nothing for CloseTimeout.
func (c *Conn) outEnded() {
	c.mu.Lock()
	c.byeLocked().said = now()
	c.mu.Unlock()
	c.maybeFinish()
	c.rouse()
}

// sendClose sends the Close frame after everything that was accepted. It does nothing if one has been sent.
func (c *Conn) sendClose(ctx context.Context, as pass) error {
	switch err := c.w.gate.enter(ctx, as); {
	case errors.Is(err, net.ErrClosed):
		return nil
	case err != nil:
		return err
	}
	defer c.w.gate.leave(as)
	return c.w.low.End(ctx, c.appendCloseFrame(c.w.low.Begin()), nil)
}

func (c *Conn) appendCloseFrame(dst []byte) []byte {
	c.mu.Lock()
	say := c.byeLocked().say
	c.mu.Unlock()
	return c.w.appendControl(dst, OpClose, appendClose(nil, say.Code, say.Reason))
}

// readEnded is called by the reader at the end of its input. err is io.EOF after a normal Close frame, and otherwise a
// *CloseError.
func (c *Conn) readEnded(err error) {
	var end *CloseError
	errors.As(err, &end) // nil for io.EOF
	c.mu.Lock()
	bye := c.byeLocked()
	bye.heard = now()
	close(bye.over)
	answer, byPeer := bye.status, bye.status != nil
	if !byPeer {
		answer = &CloseError{Code: end.Code, Reason: short(end.Reason)}
	}
	if bye.say == nil {
		bye.say = &CloseError{Code: answer.Code}
		if end != nil && end.Local {
			bye.say.Reason = answer.Reason
		}
	}
	c.mu.Unlock()
	switch {
	case !byPeer && end.Code == Abnormal:
		c.w.end.Set(err)
		if !errors.Is(err, net.ErrClosed) || c.conn.Out.End().Open() { // otherwise this side is closing it
			c.conn.Abort(err)
		}
	case !byPeer:
		c.w.end.Set(err)
		c.startFinish()
	case end != nil:
		if c.w.end.Settle(expired) == nil { // no channel holds anything
			c.w.end.BeginClose(end)
		}
		c.startFinish()
	default:
		c.awaitReplies()
	}
}

// short returns what a Close frame can carry of a reason.
func short(reason string) string {
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if len(reason) <= MaxReason {
		return reason
	}
	n := MaxReason
	for !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}

// maybeFinish starts to close the connection if nothing more is to be sent or received.
func (c *Conn) maybeFinish() {
	c.mu.Lock()
	both := c.bye.hasSaid() && (c.inOver || c.bye.hasHeard())
	c.mu.Unlock()
	if both {
		c.startFinish()
	}
}

func (c *Conn) startFinish() {
	c.mu.Lock()
	bye := c.byeLocked()
	started := bye.finishing
	bye.finishing = true
	c.mu.Unlock()
	if !started {
		go c.guard(c.finish) // ends within CloseTimeout and the linger of the connection
	}
}

// finish sends the Close frame unless it was sent, waits for the peer's Close frame, and closes the connection below.
func (c *Conn) finish() {
	c.finishOut()
	c.mu.Lock()
	over := c.bye.over
	c.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(context.Background(), c.cfg.CloseTimeout,
		lateError("peer did not answer the Close frame within "+c.cfg.CloseTimeout.String()))
	defer cancel()
	select {
	case <-over:
		_ = c.conn.Close() // what it returns is about bytes that the peer has no use for
	case <-c.conn.Done():
	case <-ctx.Done():
		c.conn.Abort(chanio.Cause(ctx))
	}
}

// finishOut closes Out. If the peer has violated the protocol, it sends only what was written and the Close frame,
// within CloseTimeout.
func (c *Conn) finishOut() {
	c.mu.Lock()
	status := c.byeLocked().status
	broken := c.bye.hasHeard() && status == nil
	c.mu.Unlock()
	if broken {
		ctx, cancel := context.WithTimeoutCause(context.Background(), c.cfg.CloseTimeout,
			lateError("peer took no Close frame within "+c.cfg.CloseTimeout.String()))
		defer cancel()
		if err := c.sendClose(ctx, cutting); err != nil {
			c.conn.Abort(err)
		}
		return
	}
	if status != nil && !status.Code.normal() {
		ctx, stop := c.w.end.Lingering()
		_ = c.w.end.Settle(ctx) // Out.Close does it again, and has the error
		stop()
		c.w.end.BeginClose(status)
	}
	_ = c.Out.Close() // any other call of it has the error; if it could not be sent the connection has been aborted
}

// expired is a ctx that has ended.
var expired = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// abort is the Abort hook of Out.
func (c *Conn) abort(cause error) {
	c.mu.Lock()
	bye := c.byeLocked()
	finishing := bye.finishing
	bye.finishing = true
	c.mu.Unlock()
	c.inEnd.Set(cause)
	c.guard(func() {
		if finishing || !c.tellWhy(cause) {
			c.conn.Abort(cause)
		}
	})
}

// tellWhy sends the Close frame of an abort, if cause has a code that may be sent, and closes the connection within its
// linger. It does not wait: if there is no room for the frame, that goes when the peer has read some of what was sent
// before. It reports whether it did so.
func (c *Conn) tellWhy(cause error) bool {
	var end *CloseError
	if !errors.As(cause, &end) || !end.Code.sendable() {
		return false
	}
	frame := c.w.appendControl(c.w.low.Begin(), OpClose, appendClose(nil, end.Code, short(end.Reason)))
	entered, err := c.w.gate.tryEnter(cutting)
	sent := false
	if entered {
		if sent, err = c.w.low.TryEnd(frame, nil); sent || err != nil {
			c.w.gate.leave(cutting)
		}
	}
	if err != nil || !entered && !c.w.gate.mayBeCut() {
		return false
	}
	c.interrupt()
	go c.guard(func() {
		if !sent {
			err = c.tellLater(frame, entered)
		}
		if err != nil {
			c.conn.Abort(cause)
			return
		}
		_ = c.conn.Close() // within the linger of the connection
	})
	return true
}

// tellLater is the part of tellWhy that waits, as long as the peer makes progress.
func (c *Conn) tellLater(frame []byte, entered bool) error {
	ctx, stop := c.w.end.Lingering()
	defer stop()
	if !entered {
		if err := c.w.gate.enter(ctx, cutting); err != nil {
			return err
		}
	}
	defer c.w.gate.leave(cutting)
	return c.w.low.End(ctx, frame, nil)
}

// lowEnded is called when nothing more can be sent on the connection below.
func (c *Conn) lowEnded() {
	err := c.conn.Out.Err()
	if err != nil {
		c.w.end.Set(abnormal(err))
	}
	c.w.gate.cut()
	c.w.forget()
	if s := c.signals.Load(); s != nil {
		s.pings.end()
	}
	c.cfg.Deflate.Abandon(c.cfg.Extension)
	if err == nil {
		c.bothEnded()
		return
	}
	c.outEnded() // what has come can still be received
	c.conn.In.OnDone(c.bothEnded)
}

// bothEnded is called when the connection below is about to be released.
func (c *Conn) bothEnded() {
	c.mu.Lock()
	c.ended = true
	c.timer.Stop()
	if c.who.stop != nil {
		c.who.stop()
	}
	over := c.bye.hasHeard()
	c.mu.Unlock()
	c.undrain()
	if c.detach != nil {
		c.detach()
	}
	if over {
		c.startFinish()
	}
}

// abnormal returns a failure of the connection below as a *CloseError.
func abnormal(err error) error {
	var end *CloseError
	if errors.As(err, &end) {
		return err
	}
	return &CloseError{Code: Abnormal, Err: err}
}

// why returns the error with which the connection ended.
func (c *Conn) why() error {
	for _, err := range []error{c.w.end.Err(), c.inEnd.Err()} {
		if err != nil {
			return err
		}
	}
	return net.ErrClosed
}
