package datagram

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// gate owns a deadline of a socket: it turns the end of a ctx, and a shutdown from here, into a deadline in the
// past, and takes that back before the next call. One call is inside at a time.
//
// A ctx is bound once, keyed on its Done channel, and stays bound between calls. A callback of a ctx that is bound no
// more finds another generation and does nothing, so nobody waits for one in flight.
type gate struct {
	deadline func(time.Time) error // sets it

	calm  atomic.Bool     // nothing but the ctx of the last call can stop the next one
	bound <-chan struct{} // its Done channel; owned by the caller of enter

	mu     sync.Mutex
	unbind func() bool
	gen    uint64
	past   bool  // the deadline is set to the past
	shut   error // nobody enters any more
	ending bool  // but what has arrived may still be read, without waiting
}

var longAgo = time.Unix(1, 0)

// enter begins a call that ctx bounds.
func (g *gate) enter(ctx context.Context) error {
	if g.calm.Load() && ctx.Done() == g.bound && ctx.Err() == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		return g.shut
	}
	if done := ctx.Done(); done != g.bound {
		g.bind(ctx, done)
	}
	if g.past {
		g.past = false
		if err := g.deadline(time.Time{}); err != nil {
			return err
		}
	}
	// After the deadline is taken back: from here on the callback sets it again.
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.calm.Store(true)
	return nil
}

func (g *gate) bind(ctx context.Context, done <-chan struct{}) {
	g.release()
	g.gen++
	g.bound = done
	if done != nil {
		gen := g.gen
		g.unbind = context.AfterFunc(ctx, func() { g.expire(gen) })
	}
}

func (g *gate) release() {
	if g.unbind != nil {
		g.unbind()
		g.unbind = nil
	}
}

// expire makes the call inside return because its ctx ended.
func (g *gate) expire(gen uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gen == g.gen && g.shut == nil {
		g.past = true
		g.calm.Store(false)
		_ = g.deadline(longAgo)
	}
}

// judge says what an error of the call inside means. It returns nil for a deadline that was not meant for this call,
// which then enters again.
func (g *gate) judge(ctx context.Context, err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.shut != nil:
		return g.shut
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// close lets nobody in any more, makes the call inside return err, and releases the ctx. The first err stays.
func (g *gate) close(err error) { g.shutDown(err, false) }

// end is close, but what has arrived by now may still be read without waiting.
func (g *gate) end(err error) { g.shutDown(err, true) }

func (g *gate) shutDown(err error, ending bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ending = ending && (g.shut == nil || g.ending)
	if g.shut == nil {
		g.shut = err
		g.calm.Store(false)
		_ = g.deadline(longAgo)
		g.release()
	}
}

// lastCall reports whether what has arrived may still be read, and prepares the socket for that.
func (g *gate) lastCall() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ending && g.deadline(time.Time{}) == nil
}

// isShut reports whether err is why nobody enters any more.
func (g *gate) isShut(err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut != nil && g.shut == err
}
