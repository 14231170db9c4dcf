package http2

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/stream"
)

// Writer is the sending half of a [Stream], a chanio.ByteSink. Any goroutine may call its methods. A value is sent in
// place: a call returns when the connection has taken all of it or, if its ctx ends first, when the rest has been
// copied. If nothing was taken by then, the value is not sent.
type Writer struct {
	s *Stream

	// Under the lock of the connection.
	pending  []byte // what is being sent
	rest     []byte // follows it
	sending  bool   // a call waits for them
	closing  bool   // Close has been called
	ends     bool   // END_STREAM follows them
	told     bool   // the peer has END_STREAM already, by LastHead
	trailers []Field
	sent     int64 // bytes, ever
	deadline *deadline.Context
	shared   *ends // of a Conn made of the stream
}

// value is sent without anything in between.
type value struct {
	head     []Field
	a, b     []byte
	end      bool
	last     bool    // the head has END_STREAM, and the stream goes on here
	trailers []Field // with end
	closes   bool    // Close sends it
}

// Headers sends a header list that does not end the stream: an informational head, or one that a body follows.
func (w *Writer) Headers(ctx context.Context, head []Field) error {
	return w.write(ctx, value{head: head})
}

// LastHead sends a header list that ends the stream for the peer. Here the stream goes on until Respond or Finish ends it
// without bytes and trailers, so that a handler that still runs is counted, and told that the peer is gone.
func (w *Writer) LastHead(ctx context.Context, head []Field) error {
	return w.write(ctx, value{head: head, last: true})
}

// Respond sends a header list, then bytes, then, if end is set, trailers and the end of the stream. Each part may be
// missing.
func (w *Writer) Respond(ctx context.Context, head []Field, body []byte, end bool, trailers []Field) error {
	return w.write(ctx, value{head: head, a: body, end: end, trailers: trailers})
}

// Finish sends the last bytes, and trailers if there are any, and ends the stream.
func (w *Writer) Finish(ctx context.Context, body []byte, trailers []Field) error {
	return w.write(ctx, value{a: body, end: true, trailers: trailers})
}

// Send sends p.
func (w *Writer) Send(ctx context.Context, p []byte) error { return w.write(ctx, value{a: p}) }

// Begin lends scratch.
func (w *Writer) Begin() []byte { return w.s.c.send.sink.Begin() }

// giveBack returns scratch to the sink that lent it.
func (w *Writer) giveBack(scratch []byte) { _, _ = w.s.c.send.sink.TryEnd(scratch[:0], nil) }

// End sends what scratch, which Begin lent, holds, followed by body.
func (w *Writer) End(ctx context.Context, scratch, body []byte) error {
	defer w.giveBack(scratch)
	return w.write(ctx, value{a: scratch, b: body})
}

// TrySend takes p if nothing else waits to be sent. It does not wait.
func (w *Writer) TrySend(p []byte) (bool, error) { return w.tryWrite(p, nil) }

// TryEnd takes scratch and body if nothing else waits to be sent. It does not wait.
func (w *Writer) TryEnd(scratch, body []byte) (bool, error) {
	ok, err := w.tryWrite(scratch, body)
	if ok || err != nil {
		w.giveBack(scratch)
	}
	return ok, err
}

func (w *Writer) tryWrite(a, b []byte) (bool, error) {
	c := w.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := w.refusalLocked(false); err != nil {
		return false, err
	}
	if w.sending || len(w.pending) > 0 {
		return false, nil
	}
	w.holdLocked(a, b)
	w.s.passLocked()
	w.keepLocked()
	w.s.scheduleLocked()
	c.send.pushLocked()
	return true, nil
}

// holdLocked prepares a and b to be sent in place.
func (w *Writer) holdLocked(a, b []byte) {
	if w.pending, w.rest = a, b; len(a) == 0 {
		w.pending, w.rest = b, nil
	}
}

// keepLocked copies what has not been sent, so that its owner does not wait.
func (w *Writer) keepLocked() {
	if len(w.pending) > 0 {
		w.pending, w.rest = slices.Concat(w.pending, w.rest), nil
		w.trailers = slices.Clone(w.trailers)
	}
}

// refusalLocked returns why nothing more is accepted, or nil. closes is set by Close.
func (w *Writer) refusalLocked(closes bool) error {
	switch {
	case w.s.err != nil && !w.s.sentEnd:
		return w.s.err
	case w.s.sentEnd, w.ends, w.closing && !closes:
		return net.ErrClosed
	}
	return nil
}

func (w *Writer) write(ctx context.Context, v value) error {
	c := w.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := w.turnLocked(ctx, &v); err != nil {
		return err
	}
	w.sending = true
	defer func() {
		w.sending = false
		w.s.changeLocked()
	}()
	from := w.sent
	w.beginLocked(&v)
	c.send.pushSoonLocked()
	return w.drainLocked(ctx, from, &v)
}

// beginLocked appends v to the output, or queues it.
func (w *Writer) beginLocked(v *value) {
	s := w.s
	w.holdLocked(v.a, v.b)
	w.ends, w.trailers = v.end, v.trailers
	empty := len(w.pending) == 0
	if v.head != nil {
		w.told = v.last
		s.c.send.headersLocked(s.id, v.head, v.last || v.end && empty && v.trailers == nil)
	}
	switch {
	case !empty:
		s.passLocked()
		s.scheduleLocked()
	case v.end && v.head == nil && v.trailers == nil && !w.told:
		s.c.send.out = appendFrame(s.c.send.outLocked(), 0, 0, 1, s.id) // an empty DATA frame with END_STREAM
		w.drainedLocked()
	case v.end:
		w.drainedLocked()
	}
}

// scheduleLocked puts the stream into the queue if it has something to send and a window for it.
func (s *Stream) scheduleLocked() {
	switch {
	case s.gone || len(s.Out.pending) == 0 || s.window <= 0:
		s.c.send.ready.remove(s)
	default:
		s.c.send.ready.add(s)
	}
}

// drainedLocked sends what follows the bytes, when all of those have been taken.
func (w *Writer) drainedLocked() {
	s := w.s
	if !w.ends || s.sentEnd {
		return
	}
	if w.trailers != nil {
		s.c.send.headersLocked(s.id, w.trailers, true)
		w.trailers = nil
	}
	s.sentEnd = true
	s.checkDoneLocked()
}

// failLocked drops what has not been sent.
func (w *Writer) failLocked() { w.pending, w.rest = nil, nil }

// turnLocked waits until nothing else is being sent. For frames that no window limits, it also waits until not too many
// are queued.
func (w *Writer) turnLocked(ctx context.Context, v *value) error {
	c, patience, frames := w.s.c, w.patienceLocked(), v.head != nil || v.end
	for waited := false; ; {
		if err := w.refusalLocked(v.closes); err != nil {
			return err
		}
		var err error
		switch {
		case w.sending, len(w.pending) > 0:
			waited = false
			err = w.awaitLocked(ctx, &patience)
		case frames && !waited && (c.send.line.Len() > 0 || len(c.send.out) > maxWaiting):
			waited = true
			err = w.lineUpLocked(ctx, v)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// lineUpLocked waits until not too many frames are queued. Streams that wait for that are served in order.
func (w *Writer) lineUpLocked(ctx context.Context, v *value) error {
	c := w.s.c
	if err := c.send.line.Enter(ctx, &c.mu, deadline.Cause); err != nil {
		return err
	}
	defer c.send.line.Leave()
	for len(c.send.out) > maxWaiting && w.refusalLocked(v.closes) == nil {
		if err := c.waitLocked(ctx); err != nil {
			return err
		}
	}
	return nil
}

// drainLocked waits until the connection has taken all of v, which starts after from bytes. If v has a head, a part of
// it has been taken in any case.
func (w *Writer) drainLocked(ctx context.Context, from int64, v *value) error {
	patience := w.patienceLocked()
	for len(w.pending) > 0 {
		err := w.awaitLocked(ctx, &patience)
		if err == nil && w.closing && !w.ends {
			err = net.ErrClosed // nothing was accepted
		}
		switch {
		case err == nil:
		case w.s.err != nil:
			return w.s.err
		case v.head == nil && w.sent == from:
			w.pending, w.rest, w.ends, w.trailers = nil, nil, false, nil
			w.s.scheduleLocked()
			return err
		case len(w.pending) > 0: // a part has been accepted, so all of it has
			w.keepLocked()
			return nil
		}
	}
	if w.s.err != nil && w.sent < from+int64(len(v.a)+len(v.b)) {
		return w.s.err
	}
	return nil
}

// patience bounds a wait for the windows of the peer.
type patience struct {
	until time.Time
	sent  int64 // bytes of the stream at the last look
	all   int64 // and of the connection
}

func (w *Writer) patienceLocked() patience {
	return patience{until: deadline.In(w.s.c.cfg.StallTimeout), sent: w.sent, all: w.s.c.send.sent}
}

// progressLocked returns how many bytes the peer's windows have let through since the last call: the window of the
// stream or, if that is open, the window of the connection. The result is at most 1 GiB.
func (w *Writer) progressLocked(p *patience) int64 {
	n := w.sent - p.sent
	if w.s.window > 0 {
		n = w.s.c.send.sent - p.all
	}
	p.sent, p.all = w.sent, w.s.c.send.sent
	return min(n, 1<<30)
}

// awaitLocked waits until something changes. If data waits too long for a window of the peer, it resets the stream.
func (w *Writer) awaitLocked(ctx context.Context, p *patience) error {
	c := w.s.c
	err := w.s.waitLocked(ctx, w.deadline, p.until)
	if p.until.IsZero() {
		return err
	}
	now, most := time.Now(), deadline.In(c.cfg.StallTimeout)
	p.until = p.until.Add(time.Duration(w.progressLocked(p)) * time.Second / minPeerRate)
	if w.s.window > 0 && c.send.window > 0 || p.until.After(most) { // it waits for other streams or the socket
		p.until = most
	}
	switch {
	case err != deadline.Late:
		return err
	case now.Before(p.until):
		return nil
	}
	late := &deadline.Timeout{Text: "peer opened no window for " + c.cfg.StallTimeout.String()}
	told := w.s.resetLocked(&StreamError{Code: Cancel, cause: late})
	c.send.pushLocked()
	if told {
		c.mu.Unlock()
		w.s.tellHandler()
		c.mu.Lock()
	}
	return os.ErrDeadlineExceeded
}

// Flush waits until everything sent before has left the process.
func (w *Writer) Flush(ctx context.Context) error {
	ctx, stop := w.within(ctx)
	defer stop()
	return w.flush(ctx)
}

// within bounds ctx by the deadline, for waits that are not about the stream alone.
func (w *Writer) within(ctx context.Context) (bounded context.Context, stop func()) {
	w.s.c.mu.Lock()
	d := w.deadline
	w.s.c.mu.Unlock()
	if d == nil {
		return ctx, func() {}
	}
	bounded, cancel := context.WithCancelCause(ctx)
	expire := func() { cancel(deadline.Exceeded) }
	if d.Err() != nil {
		expire()
	}
	unset := d.AfterFunc(expire)
	return bounded, func() {
		unset()
		cancel(nil)
	}
}

// flush is Flush without the deadline.
func (w *Writer) flush(ctx context.Context) error {
	c := w.s.c
	c.mu.Lock()
	err := w.flushLocked(ctx)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.nc.Out.Flush(ctx)
}

func (w *Writer) flushLocked(ctx context.Context) error {
	c := w.s.c
	for patience := w.patienceLocked(); len(w.pending) > 0; {
		if err := w.awaitLocked(ctx, &patience); err != nil {
			return err
		}
	}
	if w.s.err != nil {
		return w.s.err
	}
	upTo := c.send.gathered
	if len(c.send.out) > 0 {
		upTo++
	}
	c.send.pushLocked()
	for c.send.accepted < upTo {
		if c.send.broken {
			return c.err
		}
		if err := c.waitLocked(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close sends END_STREAM after what was sent before, and waits until that has left the process. If the peer takes
// nothing for the linger bound, Close resets the stream.
func (w *Writer) Close() error {
	end := &stream.End{Progress: w.Progress}
	if w.shared != nil {
		end = &w.shared.out
		end.BeginClose(nil)
	}
	w.s.c.mu.Lock()
	w.closing = true
	w.s.changeLocked()
	w.s.c.mu.Unlock()
	ctx, stop := end.Lingering()
	defer stop()
	err := w.write(ctx, value{end: true, closes: true})
	if err == nil {
		err = w.flush(ctx)
	}
	if w.isDone(err) {
		err = nil
	}
	if err != nil && ctx.Err() != nil {
		w.s.Reset(Cancel, err)
	}
	end.Set(err)
	return err
}

// isDone reports whether err only means that everything has been sent.
func (w *Writer) isDone(err error) bool {
	w.s.c.mu.Lock()
	defer w.s.c.mu.Unlock()
	return w.s.sentEnd && (errors.Is(err, net.ErrClosed) || errors.Is(err, errDone))
}

// Progress returns how many bytes the connection has taken.
func (w *Writer) Progress() int64 {
	w.s.c.mu.Lock()
	defer w.s.c.mu.Unlock()
	return w.sent
}

// SetDeadline sets the time at which calls fail, including one that waits, except for a Flush that began before the first
// deadline was set. The zero time means no deadline.
func (w *Writer) SetDeadline(t time.Time) {
	w.s.c.mu.Lock()
	if w.deadline == nil {
		if t.IsZero() {
			w.s.c.mu.Unlock()
			return
		}
		w.deadline = new(deadline.Context)
	}
	d := w.deadline
	w.s.changeLocked()
	w.s.c.mu.Unlock()
	_ = d.SetDeadline(t)
}
