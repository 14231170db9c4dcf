package websocket

import (
	"context"
	"io"
	"net"
	"time"
	"unicode/utf8"

	"github.com/weir-go/weir/chanio"
)

// next returns the hook of In. An idle connection waits in it. It is a literal, since that of a method value would have a
// second stack frame.
func (c *Conn) next() func(context.Context) (Message, error) {
	return func(ctx context.Context) (m Message, err error) {
		if !c.beginReceive() {
			return m, net.ErrClosed
		}
		defer c.endReceive()
		switch {
		case ctx.Err() != nil:
			return m, chanio.Cause(ctx)
		case c.merge:
			err = c.mergedMessage(ctx, &m)
			return m, err
		case c.idle():
			// The wait for the first byte of a frame is here and not in message: an idle connection waits on a stack that is
			// a quarter as deep as the one that message needs.
			if err = c.rd.src.Fill(ctx, maxHeader); err == nil {
				c.hear()
			}
			if err == nil && c.first(&m) {
				return m, nil
			}
		}
		err = c.rest(ctx, &m, err)
		return m, err
	}
}

// rest sets m to the next message. err is the error of the wait for its first byte.
//
//go:noinline
func (c *Conn) rest(ctx context.Context, m *Message, err error) error {
	if err != nil {
		err = c.rd.judge(ctx, err)
	} else {
		err = c.message(ctx, m, true)
	}
	if err != nil {
		err = c.receiveError(ctx, err)
	}
	return err
}

// first sets m to the message that an idle connection has just received, if quick can decode it, and reports whether it
// did.
//
//go:noinline
func (c *Conn) first(m *Message) bool {
	r := &c.rd
	if !r.quickly() || c.skips.Load() {
		return false
	}
	var n int
	if *m, n = c.rd.quick(r.src.Buffered(), r.src); n == 0 {
		*m = Message{}
		return false
	}
	r.given = int32(n)
	r.settle()
	return true
}

// idle reports whether nothing of a message or a frame has come that was not received.
func (c *Conn) idle() bool {
	r := &c.rd
	if r.left != noFrame || r.hasMore() || len(r.queue) > 0 {
		return false
	}
	r.settle()
	return len(r.src.Buffered()) == 0
}

// mergedMessage is for a connection without deadlines, whose ctx has to end with In.
func (c *Conn) mergedMessage(ctx context.Context, m *Message) error {
	merged := &untilEnd{Context: ctx, end: &c.inEnd}
	defer merged.release()
	if err := c.message(merged, m, true); err != nil {
		return c.receiveError(merged, err)
	}
	return nil
}

// message sets m to the next message, or piece of one, after skipping the rest of one that is to be skipped. For wait see
// reader.message. An idle connection waits in it, so it and its callers have small stack frames.
func (c *Conn) message(ctx context.Context, m *Message, wait bool) (err error) {
	for {
		if !c.rd.fromQueue(m, false) {
			if *m, err = c.rd.message(ctx, wait); err != nil {
				return err
			}
		}
		if !c.skipped(m) {
			return nil
		}
	}
}

// skipped reports whether m is a piece of a message that is to be skipped.
func (c *Conn) skipped(m *Message) bool {
	if !c.skips.Load() {
		return false
	}
	if m.isPiece() && (m.extra.last || len(c.rd.queue) == 0 && c.rd.dropInflating()) {
		c.skips.Store(false)
	}
	return true
}

// receiveError returns what Recv returns for an error of message.
func (c *Conn) receiveError(ctx context.Context, err error) error {
	switch {
	case !c.inEnd.Open(): // closed here, or aborted
		if why := c.inEnd.Err(); why != nil {
			return why
		}
		return net.ErrClosed
	case c.rd.err == nil: // ctx has ended
		return err
	case err == io.EOF:
		c.inEnd.Set(nil)
	default:
		c.inEnd.Set(err)
	}
	return err
}

// tryNext is the hook of In.
func (c *Conn) tryNext() (m Message, ok bool, err error) {
	ahead, _ := c.who.present()
	if !c.beginReceive() {
		return m, false, net.ErrClosed
	}
	defer func() { c.endTry(ahead == inBackend, ok || err != nil) }()
	r := &c.rd
	r.settle()
	if at := len(r.src.Buffered()); len(r.queue) == 0 && !r.hasMore() && (at == 0 || at == int(r.tried)) {
		if !c.inEnd.Open() {
			err = c.receiveError(context.Background(), nil)
		}
		return m, false, err
	}
	switch err = c.message(context.Background(), &m, false); err {
	case nil:
		return m, true, nil
	case errWouldWait:
		r.tried = int32(len(r.src.Buffered()))
		return m, false, nil
	}
	return m, false, c.receiveError(context.Background(), err)
}

// atHand is the hook of In: small whole messages that have arrived.
func (c *Conn) atHand(dst []Message) []Message { return c.take(dst, false) }

// take appends messages. If it lends them, their memory is released when the next hook is called.
func (c *Conn) take(dst []Message, lends bool) []Message {
	if !c.beginReceive() {
		return dst
	}
	defer c.endReceive()
	if c.skips.Load() {
		return dst
	}
	r := &c.rd
	for m := (Message{}); len(dst) < cap(dst) && r.fromQueue(&m, lends); {
		dst = append(dst, m)
	}
	r.settle()
	if !r.quickly() {
		return dst
	}
	var own cloner = r.src
	if lends {
		own = (*lender)(r)
	}
	p := r.src.Buffered()
	for len(dst) < cap(dst) && int(r.given) < len(p) {
		m, n := c.rd.quick(p[r.given:], own)
		if n == 0 {
			break
		}
		r.given += int32(n)
		dst = append(dst, m)
	}
	return dst
}

// quick returns the message at the start of p and its size on the wire, if it is one complete frame without
// compression. It leaves all other cases to message.
func (r *reader) quick(p []byte, own cloner) (m Message, n int) {
	c := r.conn
	h, n, err := parseHeader(p)
	if err != nil || n == 0 || h.first&(bitFin|bitRSV1|0x08) != bitFin || h.op() == OpContinuation || h.masked == c.cfg.Client {
		return m, 0
	}
	if h.length > int64(len(p)-n) || h.length > int64(min(c.cfg.MaxFrame, c.cfg.MaxMessage)) {
		return m, 0
	}
	data := own.Clone(p[n : n+int(h.length)])
	xor(data, h.key)
	if data == nil {
		data = []byte{} // as whole returns it
	}
	m = Message{Kind: Kind(h.op()), Data: data}
	if m.Kind == TextMessage && !utf8.Valid(data) {
		return m, 0
	}
	return m, n + int(h.length)
}

// beginReceive makes the consumer of In the reader. It returns false if In was closed.
func (c *Conn) beginReceive() bool {
	for !c.who.begin(receiver) {
		c.mu.Lock()
		if !c.inEnd.Open() { // the one who reads is dropMessages, which begins with mu held
			c.mu.Unlock()
			return false
		}
		free := c.who.stopLocked()
		c.mu.Unlock()
		<-free
	}
	c.rd.endLoans()
	return true
}

// endReceive ends a receive.
func (c *Conn) endReceive() { c.endTurn(oneTurn, false) }

// endTry ends a receive that does not wait. One that has found nothing does not count: only reading ahead brings bytes to
// a consumer that never waits. So that goes on if the receive has stopped it.
func (c *Conn) endTry(ahead, found bool) {
	if found {
		c.endReceive()
		return
	}
	c.endTurn(0, ahead)
}

// endTurn lets others read. If goesOn is set, reading ahead goes on.
func (c *Conn) endTurn(counts uint64, goesOn bool) {
	if !c.who.end(counts) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.who.tellLocked()
	if goesOn {
		c.startAheadLocked()
		return
	}
	c.who.heed.Store(false)
	c.rouseLocked()
}

// fromQueue sets m to the next of the messages that were read ahead, and reports whether there is one. The memory of one
// that await has leased is lent or becomes the receiver's, unless that wants leases.
func (r *reader) fromQueue(m *Message, lends bool) bool {
	if len(r.queue) == 0 {
		return false
	}
	*m, r.queue[0] = r.queue[0], Message{}
	if r.queue = r.queue[1:]; len(r.queue) == 0 {
		r.queue = nil
	}
	if r.wanted != asLeased && m.extra != nil && m.extra.lease != nil {
		if lends {
			r.lends(m.extra.lease)
		}
		m.extra = nil
	}
	return true
}

// interrupt makes a receiver that waits return.
func (c *Conn) interrupt() {
	if !c.merge {
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// closeIn is the Close hook of In. Messages that arrive later are dropped.
func (c *Conn) closeIn() error {
	c.mu.Lock()
	c.inOver = true
	c.mu.Unlock()
	c.interrupt()
	go c.dropMessages() // ends with the stream below, which finish and bothEnded see to
	c.maybeFinish()
	c.rouse()
	return nil
}
