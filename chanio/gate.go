package chanio

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"time"
)

// gate owns one deadline of a net.Conn, for one direction: it turns the end of a ctx, and a shutdown from here, into a
// deadline in the past, and takes that back before the next call. One call is inside at a time.
//
// A ctx is bound once, keyed on its Done channel, and stays bound between calls. A callback of a ctx that is bound no
// more finds another generation and does nothing, so there is no need to wait for one in flight.
type gate struct {
	nc      net.Conn
	timeout time.Duration // a call waits no longer than this; 0 means for ever
	writes  bool          // it is the write deadline

	past   bool // the deadline is set to the past
	inside bool
	ending int32 // although shut, so many bytes that had arrived may still be read, without waiting

	mu     sync.Mutex // of past, inside, ending and all below
	bound  <-chan struct{}
	unbind func() bool
	gen    uint64
	left   chan struct{} // closed when the call inside leaves, if somebody waits for that
	shut   error         // nobody enters any more
}

var longAgo = time.Unix(1, 0)

func (g *gate) set(t time.Time) error {
	if g.writes {
		return g.nc.SetWriteDeadline(t)
	}
	return g.nc.SetReadDeadline(t)
}

// enter begins a call that ctx bounds.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		return g.shut
	}
	if done := ctx.Done(); done != g.bound {
		g.bind(ctx, done)
	}
	if g.past || g.timeout > 0 {
		g.past = false
		if err := g.set(g.deadline()); err != nil {
			return err
		}
	}
	// After the deadline is taken back: from here on the callback sets it again.
	if ctx.Err() != nil {
		return Cause(ctx)
	}
	g.inside = true
	return nil
}

func (g *gate) deadline() time.Time {
	if g.timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(g.timeout)
}

func (g *gate) bind(ctx context.Context, done <-chan struct{}) {
	if g.unbind != nil {
		g.unbind()
		g.unbind = nil
	}
	g.gen++
	g.bound = done
	if done != nil {
		gen := g.gen
		g.unbind = afterFunc(ctx, func() { g.expire(gen) })
	}
}

// afterFunc is context.AfterFunc, without the context which that makes if ctx has the method itself.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if ctx, ok := ctx.(interface {
		AfterFunc(f func()) (stop func() bool)
	}); ok {
		return ctx.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

// expire makes the call inside return because its ctx ended.
func (g *gate) expire(gen uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gen == g.gen && g.shut == nil {
		g.past = true
		_ = g.set(longAgo)
	}
}

// leave ends what enter began.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside = false
	if g.left != nil {
		close(g.left)
		g.left = nil
	}
}

// release is leave for a gate that holds on to no ctx between calls, so that the deadline is nobody's then.
func (g *gate) release() {
	g.mu.Lock()
	if g.shut == nil {
		if g.unbind != nil {
			g.unbind()
			g.unbind = nil
		}
		g.gen++
		g.bound, g.past = nil, false
		_ = g.set(time.Time{})
	}
	g.mu.Unlock()
	g.leave()
}

// judge says what an error of the call inside means. It returns nil for a deadline that was not meant for this call,
// which the caller then repeats.
func (g *gate) judge(ctx context.Context, err error) error {
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if !late && !errors.Is(err, net.ErrClosed) {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.shut != nil: // an abort closes the net.Conn right behind
		return g.shut
	case !late:
		return err
	case ctx.Err() != nil:
		return Cause(ctx)
	case g.timeout > 0 && !g.past:
		return err
	}
	return nil
}

// close lets nobody in any more, makes the call inside return err, and releases the ctx. The first err stays.
func (g *gate) close(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		return
	}
	g.shut = err
	_ = g.set(longAgo)
	if g.unbind != nil {
		g.unbind()
		g.unbind = nil
	}
}

// end is close, but what has arrived by now may still be read without waiting.
func (g *gate) end(err error) {
	g.mu.Lock()
	if g.shut == nil {
		g.ending = unmeasured
	}
	g.mu.Unlock()
	g.close(err)
}

// unmeasured is the value of ending before the first lastCall.
const unmeasured = -1

// lastCall returns how many bytes may still be read, and prepares the net.Conn for that. The first call asks arrived.
func (g *gate) lastCall(arrived func() int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending == 0 || g.set(time.Time{}) != nil {
		return 0
	}
	if g.ending == unmeasured {
		g.ending = int32(min(arrived(), math.MaxInt32))
	}
	return int(g.ending)
}

// took notes that n bytes have been read after a lastCall.
func (g *gate) took(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ending -= int32(min(n, int(g.ending)))
}

// wait returns when nobody is inside.
func (g *gate) wait() {
	g.mu.Lock()
	if g.inside && g.left == nil {
		g.left = make(chan struct{})
	}
	left := g.left
	g.mu.Unlock()
	if left != nil {
		<-left
	}
}

// isShut reports whether err is why nobody enters any more.
func (g *gate) isShut(err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut != nil && g.shut == err
}
