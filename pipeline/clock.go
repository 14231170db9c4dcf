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
	at    time.Time

	mu      sync.Mutex
	cancel  context.CancelFunc
	stopped bool
}

// until returns a ctx that ends with ctx, or with errDue at a moment that is not after at.
func (a *alarm) until(ctx context.Context, at time.Time) context.Context {
	if !a.serves(ctx) || a.at.After(at) {
		a.set(ctx, at)
	}
	return a.ctx
}

// within is until for a moment at most that far from now.
func (a *alarm) within(ctx context.Context, wait time.Duration) context.Context {
	if !a.serves(ctx) {
		a.set(ctx, time.Now().Add(wait))
	}
	return a.ctx
}

func (a *alarm) serves(ctx context.Context) bool {
	return a.ctx != nil && a.bound == ctx.Done() && a.ctx.Err() == nil
}

func (a *alarm) set(ctx context.Context, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cancel != nil {
		a.cancel()
	}
	a.bound, a.at = ctx.Done(), at
	a.ctx, a.cancel = context.WithDeadlineCause(ctx, at, errDue)
	if a.stopped {
		a.cancel()
	}
}

// stop releases the ctx and its timer, for good: the stage has ended. It may be called by any goroutine.
func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	if a.cancel != nil {
		a.cancel()
	}
}

// closing returns what closes a stage over up with an alarm.
func closing[T any](up chanio.Upstream[T], a *alarm) func() error {
	return func() error {
		defer a.stop()
		return up.Close()
	}
}

// rang reports whether err, of a wait that an alarm bounded, means that the alarm went off and not that ctx or the stream
// ended. ctx may be bounded by an alarm in its turn.
func rang(ctx context.Context, err error) bool {
	return ctx != nil && isSame(err, errDue) && ctx.Err() == nil
}

// interrupted returns what a call is to return if err, of a wait that an alarm bounded, says that ctx or a deadline
// ended it, and nil otherwise.
func interrupted(ctx context.Context, err error) error {
	switch {
	case ctx != nil && ctx.Err() != nil && (isSame(err, errDue) || chanio.Resumable(ctx, err)):
		return chanio.Cause(ctx)
	case resumable(ctx, err):
		return err
	}
	return nil
}

// sleeper is a stage that waits for a moment rather than for a value.
type sleeper struct {
	closed chan struct{}
	once   sync.Once
}

func newSleeper() *sleeper { return &sleeper{closed: make(chan struct{})} }

// wake makes sleep return for good.
func (s *sleeper) wake() { s.once.Do(func() { close(s.closed) }) }

// sleep returns at the given moment, or with an error when ctx ends or the stage is closed.
func (s *sleeper) sleep(ctx context.Context, at time.Time) error {
	if ctx.Err() != nil {
		return chanio.Cause(ctx)
	}
	wait := time.Until(at)
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	case <-s.closed:
		return net.ErrClosed
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
