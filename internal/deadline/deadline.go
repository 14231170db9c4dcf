package deadline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Socket is the socket whose deadline a [Deadline] sets. A deadline in the past makes a blocked call return an error
// that is os.ErrDeadlineExceeded; the zero time undoes that.
type Socket interface {
	SetDeadline(t time.Time) error
}

// Func is a [Socket] in the form of a function, such as SetReadDeadline of a net.Conn.
type Func func(t time.Time) error

// SetDeadline calls f.
func (f Func) SetDeadline(t time.Time) error { return f(t) }

// Late is the error of Judge for a call that took longer than the time passed to Enter or Extend.
var Late error = &Timeout{Text: "timeout"}

// Deadline is the deadline of one half of a socket. One call at a time is inside, between Enter and Leave; only then does
// the socket carry a deadline. A call goes
//
//	if err := d.Enter(ctx, until); err != nil { return err }
//	defer d.Leave()
//	for {
//		d.Arm()
//		n, err := read(p)
//		if err = d.Judge(ctx, err); err != nil || n > 0 { return n, err }
//	}
//
// Init comes first. SetAt, Close, Cut and Closed are for any goroutine at any time. The Socket is called without a lock.
//
// A ctx is bound once, keyed on its Done channel, and stays bound between calls. A late callback of an earlier ctx finds
// another generation and does nothing, so nothing waits for it. A call whose ctx is bound and has not ended, and which
// has no other deadline, takes no lock: it moves state from calm to inside and back.
type Deadline struct {
	socket Socket
	state  atomic.Uint32

	// mu guards state, except the transitions between calm and inside, and the fields below except bound.
	mu     sync.Mutex
	gen    uint32          // of bound
	bound  <-chan struct{} // belongs to the caller of Enter
	unbind func() bool
	at     *at           // set by SetAt; made on demand
	until  time.Time     // of the call inside
	set    int64         // what is on the socket: see nanos
	setErr error         // the error of setting it
	quiet  chan struct{} // closed when a call has left or the socket has been set, if a goroutine waits for that
	closed error         // the error of Enter after Close

	strays  uint8 // unexplained timeouts of the call inside
	fired   bool  // the bound ctx has ended
	armed   bool  // the call inside waits: until and at count
	alone   bool  // the call inside has no ctx, and at does not apply to it
	anyway  bool  // the call inside entered by Linger
	cut     bool  // Cut has been called
	setting bool  // a goroutine is setting the socket, repeatedly until it is up to date
}

// Bits of state.
const (
	calm      = 0
	inside    = 1 // a call is inside
	disturbed = 2 // the call must check more than the end of the bound ctx
)

// maxStrays is how many unexplained timeouts a call survives.
const maxStrays = 100

// NoContext is the ctx of a call without one; see [Deadline.Enter].
var NoContext context.Context

var longAgo = time.Unix(1, 0)

// Init makes d the deadline of socket.
func (d *Deadline) Init(socket Socket) { d.socket = socket }

// Enter starts a call that is bounded by ctx and, unless it is zero, by until. It returns the cause of Close, the cause
// of ctx if that has ended, or a [Timeout] of the call if the time of SetAt has passed. A call with NoContext is
// bounded only by until and Close.
func (d *Deadline) Enter(ctx context.Context, until time.Time) error {
	if ctx != nil && until.IsZero() && ctx.Done() == d.bound && ctx.Err() == nil && d.state.CompareAndSwap(calm, inside) {
		return nil
	}
	return d.enter(ctx, until)
}

func (d *Deadline) enter(ctx context.Context, until time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed != nil {
		return d.closed
	}
	if ctx != nil {
		if ctx.Err() != nil {
			return Cause(ctx)
		}
		if d.hasPassedLocked() {
			return Exceeded
		}
		d.bindLocked(ctx)
	}
	d.until, d.alone = until, ctx == nil
	d.enteredLocked()
	return nil
}

func (d *Deadline) bindLocked(ctx context.Context) {
	done := ctx.Done()
	if done == d.bound {
		return
	}
	d.unbindLocked()
	d.bound = done
	if done != nil {
		gen := d.gen
		d.unbind = afterFunc(ctx, func() { d.expire(gen) })
	}
}

func (d *Deadline) unbindLocked() {
	d.gen++
	d.fired = false
	if d.unbind != nil {
		d.unbind()
		d.unbind = nil
	}
}

// enteredLocked records that a call is inside. Its until, alone and anyway must be set.
func (d *Deadline) enteredLocked() {
	d.strays = 0
	d.state.Store(inside | d.restLocked())
}

// restLocked returns disturbed if the current or next call needs the lock, and 0 otherwise.
func (d *Deadline) restLocked() uint32 {
	if d.closed != nil || d.fired || d.alone || d.anyway || d.at.isSet() || !d.until.IsZero() {
		return disturbed
	}
	return calm
}

// afterFunc is context.AfterFunc, without the context that it allocates if ctx has the method itself.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if ctx, ok := ctx.(interface {
		AfterFunc(f func()) (stop func() bool)
	}); ok {
		return ctx.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

// expire makes the call inside return because its ctx has ended.
func (d *Deadline) expire(gen uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if gen == d.gen {
		d.fired = true
		d.disturbLocked()
	}
}

// disturbLocked makes the call inside, and the next one, check what has changed.
func (d *Deadline) disturbLocked() {
	if d.state.Or(disturbed)&inside != 0 {
		d.applyLocked()
	}
}

// Arm sets the deadline of the socket, because the call inside is about to wait.
func (d *Deadline) Arm() error {
	if d.state.Load() == inside {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed = true
	d.applyLocked()
	return d.setErr
}

// Extend changes the time passed to Enter.
func (d *Deadline) Extend(until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = until
	d.disturbLocked()
}

// wantedLocked returns the deadline that the socket should have.
func (d *Deadline) wantedLocked() time.Time {
	switch {
	case d.state.Load()&inside == 0:
		return time.Time{}
	case d.cut, d.closed != nil && !d.anyway, d.fired && !d.alone && !d.anyway:
		return longAgo
	case !d.armed:
		return time.Time{}
	case d.alone, d.anyway, !d.at.isSet():
		return d.until
	case d.until.IsZero() || d.at.Before(d.until):
		return d.at.Time
	}
	return d.until
}

// applyLocked sets the socket to the wanted deadline. It unlocks meanwhile; a change made then is applied by the same
// goroutine.
func (d *Deadline) applyLocked() {
	if d.setting {
		return
	}
	d.setting = true
	defer func() {
		d.setting = false
		d.wakeLocked()
	}()
	for t := d.wantedLocked(); nanos(t) != d.set; t = d.wantedLocked() {
		d.set = nanos(t)
		d.setErr = d.setSocketLocked(t)
	}
}

// unknown is a value that nanos never returns: other code has set the socket.
const unknown = -1

// nanos returns a number for t, 0 if that is zero.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// setSocketLocked sets the socket, unlocked. It returns a panic as an error.
func (d *Deadline) setSocketLocked(t time.Time) (err error) {
	d.mu.Unlock()
	defer d.mu.Lock()
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		err = fmt.Errorf("deadline: panic: %v", v)
		if socket, ok := d.socket.(interface{ Panicked(v any) }); ok {
			socket.Panicked(v)
		}
	}()
	err = d.socket.SetDeadline(t)
	returned = true
	return err
}

// Leave ends a call. When it returns, the socket has no deadline.
func (d *Deadline) Leave() {
	if d.state.CompareAndSwap(inside, calm) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed, d.alone, d.anyway, d.until = false, false, false, time.Time{}
	d.state.Store(disturbed)
	d.applyLocked()
	for d.setting && d.state.Load()&inside == 0 {
		d.waitLocked(nil)
	}
	if d.state.Load()&inside == 0 {
		d.state.Store(d.restLocked())
	}
	d.wakeLocked()
}

// waitLocked unlocks until wakeLocked is called or limit fires. It reports whether limit fired.
func (d *Deadline) waitLocked(limit <-chan time.Time) (late bool) {
	if d.quiet == nil {
		d.quiet = make(chan struct{})
	}
	quiet := d.quiet
	d.mu.Unlock()
	defer d.mu.Lock()
	select {
	case <-quiet:
		return false
	case <-limit:
		return true
	}
}

func (d *Deadline) wakeLocked() {
	if d.quiet != nil {
		close(d.quiet)
		d.quiet = nil
	}
}

// Judge interprets an error of the call inside. It returns nil for an unexplained timeout, such as one from a deadline
// that other code has set on the socket: Judge clears that deadline, and the call waits again.
func (d *Deadline) Judge(ctx context.Context, err error) error {
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if !late && !errors.Is(err, net.ErrClosed) {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed != nil && !d.anyway: // the socket is about to be closed
		return d.closed
	case !late:
		return err
	case !d.alone && !d.anyway && ctx.Err() != nil:
		return Cause(ctx)
	case d.cut:
		return d.closed
	case !d.until.IsZero() && !time.Now().Before(d.until):
		return Late
	case !d.alone && !d.anyway && d.hasPassedLocked():
		return Exceeded
	}
	if d.setting { // by a late goroutine: the timeout may be from the previous deadline
		d.waitLocked(nil)
		return nil
	}
	if d.strays++; d.strays > maxStrays {
		return err
	}
	if !d.alone && !d.anyway {
		d.bindLocked(ctx) // again if ctx is a Context that was moved after it ended
	}
	d.set = unknown
	d.applyLocked()
	return nil
}

// Close rejects further calls with err and makes the call inside return err. The first err stays.
func (d *Deadline) Close(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed != nil {
		return
	}
	d.closed = err
	if d.at != nil && d.at.passed != nil {
		_ = d.at.passed.SetDeadline(time.Time{}) // stops its timer
	}
	d.unbindLocked()
	d.disturbLocked()
}

// Closed returns the error passed to Close, or nil before.
func (d *Deadline) Closed() error {
	if d.state.Load()&disturbed == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// Linger is Enter after Close, for the remaining work on the socket. It waits until the call inside has left, until at
// most. Only until and Cut bound the call.
func (d *Deadline) Linger(until time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state.Load()&inside != 0 {
		limit := time.NewTimer(time.Until(until))
		defer limit.Stop()
		for d.state.Load()&inside != 0 {
			if d.waitLocked(limit.C) {
				return Late
			}
		}
	}
	if d.cut {
		return d.closed
	}
	d.until, d.anyway = until, true
	d.enteredLocked()
	return nil
}

// Cut, after Close, makes a call that entered by Linger return the error of Close, and rejects all others.
func (d *Deadline) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
	d.disturbLocked()
}
