package httpc

import (
	"maps"
	"slices"
	"time"
)

// armLocked sets the timer to the given time, unless it fires sooner.
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

// sweep ends expired idle connections. The timer calls it.
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

// closeIdle ends all idle connections.
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

// close fails waiting and further requests and ends idle connections, or all connections if abort is true. It cancels the
// dials in progress and waits for them.
func (p *pool) close(abort bool) {
	p.end(ErrClosed)
	p.mu.Lock()
	p.closed = true
	idle := p.takeIdleLocked()
	var busy []*conn
	for _, g := range p.groups {
		for e := g.waiters.Front(); e != nil; e = g.waiters.Front() {
			g.waiters.Remove(e).(*waiter).granted <- grant{err: ErrClosed}
		}
		if abort {
			busy = slices.AppendSeq(busy, maps.Keys(g.all))
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
	discard(idle)
	for _, c := range busy {
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

// emptied returns a channel that is closed once a closed pool has no open connection.
func (p *pool) emptied() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.empty == nil {
		p.empty = make(chan struct{})
		p.noteEmptyLocked()
	}
	return p.empty
}

// noteEmptyLocked closes the channel of emptied if no connection is open.
func (p *pool) noteEmptyLocked() {
	if p.open == 0 && p.empty != nil && !p.told {
		p.told = true
		close(p.empty)
	}
}
