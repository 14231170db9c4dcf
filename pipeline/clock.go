package pipeline

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// errDue is the cause of the ctx of an alarm that has gone off.
var errDue = errors.New("pipeline: due")

// alarm bounds the waits of a timed stage by a moment: it derives a ctx from that of the receiver. Making one costs more
// than passing a value on, so it is kept until it goes off, also when that is too early for the moment wanted by then.
// All methods but stop are for the receiver.
type alarm struct {
	bound <-chan struct{} // of the receiver's ctx
	ctx   context.Context
	at    time.Time // zero: never

	mu      sync.Mutex
	cancel  context.CancelFunc
	stopped bool
}

// until returns a ctx that ends with ctx, by stop, or with errDue at a moment that is not after at; the zero time is never.
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

// stop releases the ctx and its timer, for good: the stage has ended. It may be called by any goroutine.
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

// sleep returns at the given moment, or with an error when ctx ends or the alarm is stopped.
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

// await is take, but waits no longer than to the moment at. Then, or at any time before, it returns neither a value nor an
// error. If ctx, which an alarm may bound in its turn, has ended the call, the error is its cause.
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

// timed returns the hooks of a stage whose waits are bounded by an alarm: its end and its Close stop that.
func timed[A, B any](up chanio.Upstream[A], a *alarm, next pull[B]) chanio.SourceHooks[B] {
	h := derive(up, stopping(a, next))
	h.Close = func() error {
		defer a.stop()
		return up.Close()
	}
	return h
}

// stopping is next, and stops the alarm at the end of the stream.
func stopping[B any](a *alarm, next pull[B]) pull[B] {
	return func(ctx context.Context) (v B, ok bool, err error) {
		if ctx != nil && ctx.Err() != nil {
			return v, false, chanio.Cause(ctx)
		}
		if v, ok, err = next(ctx); err != nil && !resumable(ctx, err) {
			a.stop()
		}
		return v, ok, err
	}
}

// ticker yields the moments at which a period of the wall clock begins. It counts time on the monotonic clock, so that a
// wall clock that is set makes none of them come many times over, and aligns each with the wall clock as it stands.
type ticker struct {
	period time.Duration
	due    time.Time // the next moment
}

// start makes the next moment the first after now.
func (t *ticker) start(now time.Time) {
	wall := now.Round(0)
	t.due = now.Add(wall.Truncate(t.period).Add(t.period).Sub(wall))
}

// advance goes on to the moment after the present one.
func (t *ticker) advance(now time.Time) {
	next := now.Add(t.due.Add(t.period).Sub(now)) // has the readings of both clocks as they stand now
	t.due = next.Add(next.Round(t.period).Sub(next.Round(0)))
}

// isDue reports whether the next moment has come.
func (t *ticker) isDue() bool { return !time.Now().Before(t.due) }

// moment returns the next moment on the wall clock.
func (t *ticker) moment() time.Time { return t.due.Round(0) }
