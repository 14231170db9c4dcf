package httpc

import (
	"container/list"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/weir-go/weir/chanio"
)

// wait waits for a connection.
func (p *pool) wait(x *exchange, w *waiter, place *list.Element) (carrier, error) {
	start := time.Now()
	var late <-chan time.Time
	if d := p.t.cfg.PoolTimeout; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		late = timer.C
	}
	var err error
	select {
	case g := <-w.granted:
		p.waited(x, start)
		return g.carrier()
	case <-x.ctx.Done():
		err = chanio.Cause(x.ctx)
	case <-late:
		err = &TimeoutError{Phase: PhasePool, After: p.t.cfg.PoolTimeout}
	}
	p.leave(x, w, place)
	p.waited(x, start)
	return nil, err
}

// errFull is what a waiter of Warm gets when the limits permit no further connection.
var errFull = errors.New("httpc: the limits permit no further connection")

// dismissLocked dismisses the waiters of Warm if nothing is dialled for them: each may hold what another waits for.
func (g *group) dismissLocked() {
	if g.dials > 0 {
		return
	}
	for e := g.waiters.Front(); e != nil; {
		w, next := e.Value.(*waiter), e.Next()
		if w.warms {
			g.waiters.Remove(e)
			w.granted <- grant{err: errFull}
		}
		e = next
	}
}

// waited counts.
func (p *pool) waited(x *exchange, start time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g := p.groups[x.to]; g != nil {
		g.stats.Waits++
		g.stats.WaitTime += time.Since(start)
	}
}

// leave gives up the place of w, and passes on what it got too late. A dial that nobody waits for is cancelled.
func (p *pool) leave(x *exchange, w *waiter, place *list.Element) {
	p.mu.Lock()
	g := p.groupLocked(x.to)
	g.waiters.Remove(place) // does nothing if it was served meanwhile
	if w.cancel != nil && g.dials > g.waiters.Len() {
		w.gone = true
		w.cancel()
	}
	p.mu.Unlock()
	select {
	case got := <-w.granted:
		switch {
		case got.c != nil:
			p.put(got.c)
		case got.m != nil:
			got.m.release()
		}
	default:
	}
}

// armLocked has the timer fire at the given time, unless it fires sooner.
func (p *pool) armLocked(at time.Time) {
	if at.IsZero() || p.closed || !p.wake.IsZero() && !at.Before(p.wake) {
		return
	}
	p.wake = at
	if p.timer == nil {
		p.timer = time.AfterFunc(time.Until(at), p.sweep)
	} else {
		p.timer.Reset(time.Until(at))
	}
}

// sweep ends what has been idle for too long, in the goroutine of the timer.
func (p *pool) sweep() {
	p.mu.Lock()
	p.wake = time.Time{}
	now := time.Now()
	var old []*conn
	for _, g := range p.groups {
		fresh := g.idle[:0]
		for _, c := range g.idle {
			if c.isOld(now) {
				old = append(old, c)
				p.forgetLocked(g, c)
				g.stats.Expired++
				continue
			}
			fresh = append(fresh, c)
			p.armLocked(c.expiry(p.t.cfg.IdleTimeout))
		}
		clear(g.idle[len(fresh):])
		g.idle = fresh
		p.sweepMuxesLocked(g, now)
		p.tidyLocked(g)
	}
	p.mu.Unlock()
	discard(old)
}

// closeIdle ends what nobody uses.
func (p *pool) closeIdle() {
	p.mu.Lock()
	idle := p.takeIdleLocked()
	p.mu.Unlock()
	discard(idle)
}

func (p *pool) takeIdleLocked() (idle []*conn) {
	for _, g := range p.groups {
		for _, c := range g.idle {
			p.forgetLocked(g, c)
		}
		idle = append(idle, g.idle...)
		g.idle = nil
		for _, m := range slices.Clone(g.muxes) {
			if m.idleLocked() || p.closed {
				p.retireLocked(m)
			}
		}
		p.tidyLocked(g)
	}
	return idle
}

// close refuses further requests and those that wait, and ends idle connections, all connections if abort says so. It
// waits for dials under way, which it cancels.
func (p *pool) close(abort bool) {
	p.end(ErrClosed)
	p.mu.Lock()
	p.closed = true
	ended := p.takeIdleLocked()
	for _, g := range p.groups {
		for e := g.waiters.Front(); e != nil; e = g.waiters.Front() {
			g.waiters.Remove(e).(*waiter).granted <- grant{err: ErrClosed}
		}
		if abort {
			for c := range g.all {
				ended = append(ended, c)
			}
		}
	}
	var muxes []*mux
	if abort {
		muxes = slices.Collect(maps.Keys(p.alive))
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	for _, c := range ended {
		c.abort(ErrClosed)
	}
	for _, m := range muxes {
		m.h2.Abort(ErrClosed)
	}
	p.work.Wait()
	if abort {
		p.runs.Wait()
	}
}

// emptied returns a channel that is closed once no connection is open. The pool has been closed.
func (p *pool) emptied() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.empty == nil {
		p.empty = make(chan struct{})
		p.noteEmptyLocked()
	}
	return p.empty
}

// noteEmptyLocked tells those who wait for the last connection.
func (p *pool) noteEmptyLocked() {
	if p.open == 0 && p.empty != nil && !p.told {
		p.told = true
		close(p.empty)
	}
}
