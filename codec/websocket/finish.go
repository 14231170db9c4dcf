package websocket

import (
	"context"
	"errors"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/weir-go/weir/chanio"
)

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
// With any other cause, and on a second Abort, unsent messages are discarded. Abort does not block and may be called by
// any goroutine at any time.
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
	err := c.sendClose(ctx)
	if err == nil {
		err = c.conn.Out.Flush(ctx)
	}
	if err != nil {
		err = abnormal(err)
		c.mu.Lock()
		heard := c.readOver
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
	c.outOver = true
	c.byeLocked().said = now()
	c.mu.Unlock()
	c.maybeFinish()
	c.rouse()
}

// sendClose sends the Close frame after everything that was accepted. It does nothing if one has been sent.
func (c *Conn) sendClose(ctx context.Context) error {
	switch err := c.w.gate.enter(ctx, closing); {
	case errors.Is(err, net.ErrClosed):
		return nil
	case err != nil:
		return err
	}
	defer c.w.gate.leave(closing)
	return c.w.low.End(ctx, c.appendClose(c.w.low.Begin()), nil)
}

func (c *Conn) appendClose(dst []byte) []byte {
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
	c.readOver, bye.heard = true, now()
	if bye.over != nil {
		close(bye.over)
		bye.over = nil
	}
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
	both := c.outOver && (c.inOver || c.readOver)
	c.mu.Unlock()
	if both {
		c.startFinish()
	}
}

func (c *Conn) startFinish() {
	c.mu.Lock()
	started := c.finishing
	c.finishing = true
	c.mu.Unlock()
	if !started {
		go c.guard(c.finish) // ends within CloseTimeout and the linger of the connection
	}
}

// finish sends the Close frame unless it was sent, waits for the peer's Close frame, and closes the connection below.
func (c *Conn) finish() {
	c.finishOut()
	ctx, cancel := context.WithTimeoutCause(context.Background(), c.cfg.CloseTimeout,
		lateError("peer did not answer the Close frame within "+c.cfg.CloseTimeout.String()))
	defer cancel()
	select {
	case <-c.readIsOver():
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
	broken := c.readOver && status == nil
	c.mu.Unlock()
	if broken {
		ctx, cancel := context.WithTimeoutCause(context.Background(), c.cfg.CloseTimeout,
			lateError("peer took no Close frame within "+c.cfg.CloseTimeout.String()))
		defer cancel()
		if err := c.sendClose(ctx); err != nil {
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

// readIsOver returns a channel that is closed at the end of the input.
func (c *Conn) readIsOver() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readOver {
		return closedChan
	}
	bye := c.byeLocked()
	if bye.over == nil {
		bye.over = make(chan struct{})
	}
	return bye.over
}

// expired is a ctx that has ended.
var expired = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

var closedChan = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// abort is the Abort hook of Out.
func (c *Conn) abort(cause error) {
	c.mu.Lock()
	finishing := c.finishing
	c.finishing = true
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
	a := c.ahead
	over := c.readOver
	c.mu.Unlock()
	if a != nil {
		a.cancel()
	}
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
