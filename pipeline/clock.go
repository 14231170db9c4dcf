package pipeline

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// errDue is the cause of an alarm's ctx when the alarm fires.
var errDue = errors.New("pipeline: due")

// alarm bounds the waits of a timed stage: it derives a ctx from the receiver's that ends at a given time. Creating one
// costs more than passing a value on, so it is reused until it fires, even if that is earlier than the time wanted by
// then. All methods but stop are for the receiver.
type alarm struct {
	bound <-chan struct{} // of the receiver's ctx
	ctx   context.Context
	at    time.Time // zero: never

	mu      sync.Mutex
	cancel  context.CancelFunc
	stopped bool
}

// until returns a ctx that ends with ctx, by stop, or with errDue at the time at or earlier; a zero at means never.
func (a *alarm) until(ctx context.Context, at time.Time) context.Context {
	late := a.at != at && (a.at.IsZero() || a.at.After(at))
	if a.ctx == nil || late || a.bound != ctx.Done() || a.ctx.Err() != nil {
		a.set(ctx, at)
	}
	return a.ctx
}

func (a *alarm) set(ctx context.Context, at time.Time) {
	var cancel context.CancelFunc
	if a.bound, a.at = ctx.Done(), at; at.IsZero() {
		a.ctx, cancel = context.WithCancel(ctx)
	} else {
		a.ctx, cancel = context.WithDeadlineCause(ctx, at, errDue)
	}
	a.mu.Lock()
	before, stopped := a.cancel, a.stopped
	a.cancel = cancel
	a.mu.Unlock()
	if before != nil {
		before()
	}
	if stopped {
		cancel()
	}
}

// stop releases the ctx and its timer for good. Any goroutine may call it.
func (a *alarm) stop() {
	a.mu.Lock()
	a.stopped = true
	cancel := a.cancel
	a.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

func (a *alarm) isStopped() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stopped
}

// sleep returns at the time at, or with an error when ctx ends or the alarm is stopped.
func (a *alarm) sleep(ctx context.Context, at time.Time) error {
	for {
		switch {
		case ctx.Err() != nil:
			return chanio.Cause(ctx)
		case a.isStopped():
			return net.ErrClosed
		case !time.Now().Before(at):
			return nil
		}
		<-a.until(ctx, at).Done()
	}
}

// await is take, but waits no longer than until at. Then, or at any time before, it returns neither a value nor an
// error. If ctx, which may itself come from an alarm, has ended the call, the error is its cause.
func await[T any](ctx context.Context, a *alarm, at time.Time, up chanio.Upstream[T]) (v T, ok bool, err error) {
	if ctx == nil {
		return up.TryNext()
	}
	v, err = up.Next(a.until(ctx, at))
	switch due := isSame(err, errDue); {
	case err == nil:
		return v, true, nil
	case due && ctx.Err() == nil:
		err = nil
	case ctx.Err() != nil && (due || chanio.Resumable(ctx, err)):
		err = chanio.Cause(ctx)
	}
	return v, false, err
}

// timed returns the hooks of a stage whose waits are bounded by an alarm. The end of the stage and its Close stop the
// alarm.
func timed[A, B any](up chanio.Upstream[A], a *alarm, next pull[B]) chanio.SourceHooks[B] {
	h := derive(up, stopping(a, next))
	h.Close = func() error {
		defer a.stop()
		return up.Close()
	}
	return h
}

// stopping is next; it also stops the alarm at the end of the stream.
func stopping[B any](a *alarm, next pull[B]) pull[B] {
	return func(ctx context.Context) (v B, ok bool, err error) {
		if ctxEnded(ctx) {
			return v, false, chanio.Cause(ctx)
		}
		if v, ok, err = next(ctx); err != nil && !resumable(ctx, err) {
			a.stop()
		}
		return v, ok, err
	}
}

// ticker yields the times at which a period of the wall clock starts. It counts on the monotonic clock, so that setting
// the wall clock does not repeat ticks, and aligns each tick with the current wall clock.
type ticker struct {
	period time.Duration
	due    time.Time // the next tick
}

// start sets the next tick to the first one after now.
func (t *ticker) start(now time.Time) {
	wall := now.Round(0)
	t.due = now.Add(wall.Truncate(t.period).Add(t.period).Sub(wall))
}

// advance moves on to the next tick.
func (t *ticker) advance(now time.Time) {
	next := now.Add(t.due.Add(t.period).Sub(now)) // has the current readings of both clocks
	t.due = next.Add(next.Round(t.period).Sub(next.Round(0)))
}

// isDue reports whether the next tick is due.
func (t *ticker) isDue() bool { return !time.Now().Before(t.due) }

// moment returns the next tick in wall clock time.
func (t *ticker) moment() time.Time { return t.due.Round(0) }
