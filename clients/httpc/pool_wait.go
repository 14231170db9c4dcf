package httpc

import (
	"container/list"
	"errors"
	"time"

	"github.com/weir-go/weir/chanio"
)

// wait waits for a connection.
func (p *pool) wait(x *exchange, w *waiter, place *list.Element) (carrier, error) {
	var late <-chan time.Time
	if d := p.t.cfg.PoolTimeout; d > 0 {
		timer := time.NewTimer(d - x.waited)
		defer timer.Stop()
		defer func() { x.waited += time.Since(w.since) }()
		late = timer.C
	}
	var err error
	select {
	case g := <-w.granted:
		p.waited(w)
		return g.carrier()
	case <-x.ctx.Done():
		err = chanio.Cause(x.ctx)
	case <-late:
		err = &TimeoutError{Phase: PhasePool, After: p.t.cfg.PoolTimeout}
	}
	p.leave(x, w, place)
	p.waited(w)
	return nil, err
}

// errFull is the error of a waiter of Warm if the limits permit no further connection.
var errFull = errors.New("httpc: the limits permit no further connection")

// warms counts the calls of Warm in progress.
func (p *pool) warms(more int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warming += more
}

// dismissLocked fails the waiters of Warm if no dial is in progress: each may hold the connection that another waits for.
func (p *pool) dismissLocked(g *group) {
	if p.warming == 0 || g.dials > 0 {
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

// waited updates the statistics of waiting.
func (p *pool) waited(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g := p.groups[w.x.to]; g != nil {
		g.stats.Waits++
		g.stats.WaitTime += time.Since(w.since)
	}
}

// leave removes w from the queue, and passes on a connection that it was granted too late. A dial without a waiter is
// cancelled.
func (p *pool) leave(x *exchange, w *waiter, place *list.Element) {
	p.mu.Lock()
	g := p.groupLocked(x.to)
	g.waiters.Remove(place) // does nothing if it has been served
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
			got.m.giveBack()
		}
	default:
	}
}
