package httpc

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/guard"
)

// body is a response body that is read from a connection, which it releases at the end. Read and Close may run
// concurrently.
type body struct {
	in    incoming
	x     *exchange
	s     *sender
	resp  *http.Response
	reuse bool

	unwatch func() bool // stops watching ctx; nil if ctx never ends
	held    *time.Timer

	mu      sync.Mutex
	reading bool
	writing bool // that Read passes bytes to a Writer, which may wait
	closed  bool
	over    bool  // the connection has been released
	err     error // sticky; io.EOF after the last byte
	touched time.Time
	told    func(error) // called if the body is cut while no Read is in progress, or nil
}

func newBody(in incoming, x *exchange, s *sender, r *http.Response, reuse bool) *body {
	b := &body{in: in, x: x, s: s, resp: r, reuse: reuse}
	b.watch()
	return b
}

// watch ends the connection when ctx ends or when the body is not read for HeldTimeout.
func (b *body) watch() {
	b.mu.Lock() // the callbacks wait until the fields are set
	defer b.mu.Unlock()
	if b.x.ctx.Done() != nil {
		b.unwatch = context.AfterFunc(b.x.ctx, func() { b.cut(chanio.Cause(b.x.ctx)) })
	}
	if d := b.x.t.cfg.HeldTimeout; d > 0 {
		b.touched = time.Now()
		b.held = time.AfterFunc(d, b.neglected)
	}
}

// neglected is called by the timer of HeldTimeout.
func (b *body) neglected() {
	b.mu.Lock()
	rest := b.x.t.cfg.HeldTimeout
	if !b.reading || b.writing {
		rest -= time.Since(b.touched)
	}
	if !b.over && rest > 0 {
		b.held.Reset(rest)
	}
	ends := !b.over && rest <= 0
	b.mu.Unlock()
	if ends {
		b.cut(ErrHeld)
	}
}

// cut ends the body with err and ends its connection, unless the body has ended.
func (b *body) cut(err error) {
	b.mu.Lock()
	if b.over || b.closed {
		b.mu.Unlock()
		return
	}
	if b.err == nil {
		b.err = err
	}
	reading, told := b.receives(), b.told
	if !reading {
		b.over = true
	}
	b.mu.Unlock()
	b.in.cut(err)
	if reading {
		return // the Read in progress drops the connection
	}
	b.drop(err)
	if told != nil {
		_ = guard.Call(func() { told(err) }) // closes the reader of a user's Coding
	}
}

// receives reports whether a Read is in progress that the end of the connection interrupts. A Writer may wait for ever.
func (b *body) receives() bool { return b.reading && !b.writing }

// onCut sets the function to call if the body is cut while no Read is in progress.
func (b *body) onCut(f func(error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = f
}

// Read reads some of the body.
func (b *body) Read(p []byte) (int, error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	if d := b.x.t.cfg.BodyTimeout; d > 0 {
		b.in.setDeadline(within(d))
	}
	n, err := b.in.read(b.x.ctx, p)
	return n, b.leave(n, err)
}

// WriteTo writes the rest of the body to w without an intermediate buffer. io.Copy uses it.
func (b *body) WriteTo(w io.Writer) (total int64, err error) {
	for err == nil {
		var n int
		n, err = b.pass(w)
		total += int64(n)
	}
	if err == io.EOF {
		err = nil
	}
	return total, err
}

// pass writes the next bytes to w.
func (b *body) pass(w io.Writer) (n int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	returned := false
	defer func() {
		if !returned { // w panicked
			_ = b.leave(0, errClosedBody)
		}
	}()
	if d := b.x.t.cfg.BodyTimeout; d > 0 {
		b.in.setDeadline(within(d))
	}
	p, err := b.in.peek(b.x.ctx)
	if err != nil {
		returned = true
		return 0, b.leave(0, err)
	}
	b.writes()
	n, failed := w.Write(p)
	if n < len(p) && failed == nil {
		failed = io.ErrShortWrite
	}
	b.in.advance(n)
	returned = true
	if err = b.leave(n, nil); failed != nil {
		err = failed
	}
	return n, err
}

// writes records that the Read in progress waits for a Writer, until leave.
func (b *body) writes() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writing, b.touched = true, time.Now()
}

func (b *body) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return http.ErrBodyReadAfterClose
	case b.err != nil:
		return b.err
	case b.reading:
		return errors.New("httpc: two goroutines read one body")
	}
	b.reading = true
	return nil
}

// leave ends a Read, and ends the exchange if the body has ended.
func (b *body) leave(n int, err error) error {
	if err == nil && b.in.over() {
		err = io.EOF
	}
	b.mu.Lock()
	b.reading, b.writing = false, false
	b.touched = time.Now()
	switch {
	case b.closed, b.err != nil: // in the meantime
		if b.err == nil {
			b.err = errClosedBody
		}
	case err != nil:
		b.err = b.explain(err)
	}
	err = b.err
	ends := err != nil && !b.over
	if ends {
		b.over = true
	}
	b.mu.Unlock()
	switch {
	case !ends:
	case err == io.EOF:
		b.finish()
	default:
		b.drop(err)
	}
	return err
}

// explain converts an error of the connection to an error of the body.
func (b *body) explain(err error) error {
	switch {
	case err == io.EOF:
		return err
	case b.x.ctx.Err() != nil:
		return chanio.Cause(b.x.ctx)
	case errors.Is(err, os.ErrDeadlineExceeded) && chanio.Resumable(b.x.ctx, err):
		return &TimeoutError{Phase: PhaseBody, After: b.x.t.cfg.BodyTimeout}
	}
	if failure := b.s.failure(); failure != nil {
		return failure
	}
	return err
}

// finish stores the trailers and releases the connection.
func (b *body) finish() {
	b.unhook()
	b.resp.Trailer = b.in.trailers(b.resp.Trailer)
	b.in.settle(b.x, b.s, b.reuse)
}

// drop ends the connection.
func (b *body) drop(err error) {
	b.unhook()
	b.in.lose(b.s, err)
}

func (b *body) unhook() {
	if b.unwatch != nil {
		b.unwatch()
	}
	if b.held != nil {
		b.held.Stop()
	}
}

// drainTime limits how long the rest of an unwanted body is read.
const drainTime = 100 * time.Millisecond

// Close drains the rest of the body if it is short and arrives soon, and releases the connection. Otherwise, or if a Read
// is in progress, it ends the connection.
func (b *body) Close() error {
	b.mu.Lock()
	if b.closed || b.over {
		b.closed = true
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	if b.receives() {
		b.mu.Unlock()
		b.in.cut(net.ErrClosed)
		return nil
	}
	b.over = true
	writing := b.writing
	b.mu.Unlock()
	b.unhook()
	if !writing && b.reuse && b.s.complete() && b.x.ctx.Err() == nil && b.in.drain(b.x.t.cfg.MaxDrain, drainTime) {
		b.in.settle(b.x, b.s, b.reuse)
		return nil
	}
	b.drop(net.ErrClosed)
	return nil
}

// next returns the next piece of the body, which the caller owns. If it returns because ctx ended, it has consumed
// nothing, and the body can still be read.
func (b *body) next(ctx context.Context) ([]byte, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	if d := b.x.t.cfg.BodyTimeout; d > 0 {
		b.in.setDeadline(within(d))
	}
	p, err := b.in.piece(ctx)
	if err != nil && ctx.Err() != nil && b.x.ctx.Err() == nil && chanio.Resumable(ctx, err) {
		return nil, b.leaveOpen(chanio.Cause(ctx))
	}
	if err = b.leave(len(p), err); len(p) > 0 {
		return p, nil // the next call returns an end that arrived with p
	}
	return nil, err
}

// leaveOpen ends a next that consumed nothing.
func (b *body) leaveOpen(err error) error {
	b.mu.Lock()
	b.reading = false
	b.touched = time.Now()
	closed, cut := b.closed, b.err
	ends := (closed || cut != nil) && !b.over
	if ends {
		b.over = true
	}
	b.mu.Unlock()
	if ends { // in the meantime
		if cut == nil {
			cut = errClosedBody
		}
		b.drop(cut)
		return cut
	}
	return err
}
