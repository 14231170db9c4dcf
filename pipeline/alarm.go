package pipeline

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// errDue is the cause of the ctx of an alarm that has gone off.
var errDue = errors.New("pipeline: due")

// alarm bounds the waits of a timed stage by a moment: it derives a ctx from that of the receiver. To make one costs
// more than to pass a value on, so it is kept until it goes off, also when that is too early for the moment wanted by
// then.
type alarm struct {
	bound  <-chan struct{} // of the receiver's ctx
	ctx    context.Context
	cancel context.CancelFunc
	at     time.Time
}

// until returns a ctx that ends with ctx, or with errDue at a moment that is not after at.
func (a *alarm) until(ctx context.Context, at time.Time) context.Context {
	if a.ctx == nil || a.bound != ctx.Done() || a.ctx.Err() != nil || a.at.After(at) {
		a.stop()
		a.bound, a.at = ctx.Done(), at
		a.ctx, a.cancel = context.WithDeadlineCause(ctx, at, errDue)
	}
	return a.ctx
}

// stop lets go of the ctx.
func (a *alarm) stop() {
	if a.cancel != nil {
		a.cancel()
		a.ctx, a.cancel = nil, nil
	}
}

// rang reports whether err, of a wait that an alarm bounded, means that the alarm went off and not that ctx ended or
// the stream did. The ctx may be bounded by an alarm in its turn.
func rang(ctx context.Context, err error) bool { return err == errDue && ctx.Err() == nil }

// gaveUp reports whether err, of a wait that an alarm bounded, means that ctx ended.
func gaveUp(ctx context.Context, err error) bool {
	return isEndOf(ctx, err) || err == errDue && ctx.Err() != nil
}

// sleeper is a stage that waits for a moment rather than for a value.
type sleeper struct {
	closed chan struct{}
	once   sync.Once
	onWait func()
}

func newSleeper() *sleeper { return &sleeper{closed: make(chan struct{})} }

// wake makes sleep return for good.
func (s *sleeper) wake() { s.once.Do(func() { close(s.closed) }) }

// sleep returns at the given moment, or with an error when ctx ends or the stage is closed.
func (s *sleeper) sleep(ctx context.Context, at time.Time) error {
	wait := time.Until(at)
	if wait <= 0 {
		return nil
	}
	if s.onWait != nil {
		s.onWait()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.closed:
		return net.ErrClosed
	}
}
