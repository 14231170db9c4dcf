package httpc

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// pool holds the connections of a Transport, in one group for each target. Goroutines of the pool dial, so a dial outlives
// a request that gives up, and its connection serves the next request. The methods of pool are safe for concurrent use.
type pool struct {
	t    *Transport
	ctx  context.Context // ends with close
	end  context.CancelCauseFunc
	work sync.WaitGroup // dials
	runs sync.WaitGroup // readers of HTTP/2 connections

	mu     sync.Mutex
	groups map[target]*group
	alive  map[*mux]struct{} // HTTP/2 connections, including those that accept no more requests
	open   int               // connections and dials
	closed bool
	empty  chan struct{} // closed when open is 0 and no more dials follow; made by emptied
	told   bool          // empty is closed
	timer  *time.Timer
	wake   time.Time // when the timer fires; zero if it is not armed

	warming int  // calls of Warm in progress
	starved bool // a request may wait for a place among all connections
}

// group is the connections of one target.
type group struct {
	to       target
	idle     []*conn // most recently used last
	all      map[*conn]struct{}
	muxes    []*mux    // HTTP/2 connections that accept requests
	borrowed []*mux    // dialled for other hosts
	closing  int       // HTTP/2 connections that accept no more requests
	muxed    bool      // the last connection was HTTP/2
	perMux   int       // streams that one HTTP/2 connection accepts, if known
	known    bool      // a connection has been made, so the protocol is known
	dials    int       // in progress
	waiters  list.List // of *waiter
	stats    HostStats
}

// waiter is a request that waits for a connection, or for a stream of one.
type waiter struct {
	x       *exchange
	since   time.Time
	granted chan grant
	cancel  context.CancelFunc // cancels the dial started for it, or nil
	gone    bool               // it has given up and cancelled the dial
	warms   bool               // made by Warm; does not wait for a connection in use
}

// grant is the result for a waiter: a connection or an error.
type grant struct {
	c   *conn
	m   *mux
	err error
}

// carrier returns the granted connection.
func (g grant) carrier() (carrier, error) {
	switch {
	case g.err != nil:
		return nil, g.err
	case g.m != nil:
		return g.m, nil
	}
	return g.c, nil
}

func newPool(t *Transport) *pool {
	p := &pool{t: t, groups: map[target]*group{}, alive: map[*mux]struct{}{}}
	p.ctx, p.end = context.WithCancelCause(context.Background())
	return p
}

// get returns a connection for x: an idle one, a new one, or the first that another request releases.
func (p *pool) get(x *exchange) (carrier, error) {
	for {
		got, w, place := p.take(x)
		switch c := got.c; {
		case w != nil:
			return p.wait(x, w, place)
		case c == nil, c.healthy():
			return got.carrier()
		default:
			p.remove(c, true)
			c.abort(nil)
		}
	}
}

// take returns an available connection, or adds x to the queue and returns its waiter.
func (p *pool) take(x *exchange) (grant, *waiter, *list.Element) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return grant{err: ErrClosed}, nil, nil
	}
	g := p.groupLocked(x.to)
	if m := p.muxLocked(g); m != nil {
		defer p.mu.Unlock()
		m.takenLocked()
		return grant{m: m}, nil, nil
	}
	var c *conn
	var old []*conn
	if x.retries == 0 {
		c, old = p.popLocked(g)
	} else {
		old = p.placeLocked(g)
	}
	switch {
	case c != nil:
		p.mu.Unlock()
		discard(old)
		return grant{c: c}, nil, nil
	case p.busyLocked(g):
		g.stats.Rejected++
		p.mu.Unlock()
		discard(old)
		return grant{err: ErrBusy}, nil, nil
	}
	w := &waiter{x: x, since: time.Now(), granted: make(chan grant, 1), warms: x.warms}
	place := g.waiters.PushBack(w)
	victim := p.dialLocked(g)
	for m := range g.serving {
		p.watchLocked(m)
	}
	p.mu.Unlock()
	discard(old)
	victim.end()
	return grant{}, w, place
}

// busyLocked reports whether MaxWaiters requests wait for a connection of g. Those that the dials in progress may serve do
// not count while the limits allow another dial.
func (p *pool) busyLocked(g *group) bool {
	limit, waiting := p.t.cfg.MaxWaiters, g.waiters.Len()
	if limit < 0 || waiting < limit {
		return false
	}
	if !p.fullLocked(g) {
		waiting -= g.dials * g.streams()
	}
	return waiting >= limit
}

// popLocked removes and returns the idle connection used last. It also returns expired ones, which the caller ends.
func (p *pool) popLocked(g *group) (c *conn, old []*conn) {
	now := time.Now()
	for len(g.idle) > 0 {
		last := len(g.idle) - 1
		c := g.idle[last]
		g.idle[last] = nil
		g.idle = g.idle[:last]
		if !c.isOld(now) {
			g.stats.Reused++
			return c, old
		}
		p.forgetLocked(g, c)
		g.stats.Expired++
		old = append(old, c)
	}
	return nil, old
}

// placeLocked removes an idle connection if the limit per host leaves no room for a new one. It serves a request that
// found its reused connection dead, since the other idle ones may be dead too. The caller ends the connections
// returned.
func (p *pool) placeLocked(g *group) (old []*conn) {
	if !p.hostFullLocked(g) {
		return nil
	}
	c, old := p.popLocked(g)
	if c == nil {
		return old
	}
	p.forgetLocked(g, c)
	g.stats.Reused--
	g.stats.Evicted++
	return append(old, c)
}

// discard ends connections at once, each within endTime.
func discard(cs []*conn) {
	if len(cs) == 0 {
		return // as for most requests: what follows allocates
	}
	var ending sync.WaitGroup
	for _, c := range cs {
		ending.Go(c.end)
	}
	ending.Wait()
}

func (p *pool) groupLocked(to target) *group {
	g := p.groups[to]
	if g == nil {
		g = &group{to: to, all: map[*conn]struct{}{}}
		g.stats.Target = to.String()
		p.groups[to] = g
	}
	return g
}

// hostFullLocked reports whether MaxPerHost allows no further connection for g.
func (p *pool) hostFullLocked(g *group) bool {
	limit := p.t.cfg.MaxPerHost
	return limit > 0 && len(g.all)+len(g.muxes)+g.dials >= limit
}

// fullLocked reports whether the limits allow no further connection for g.
func (p *pool) fullLocked(g *group) bool {
	limit := p.t.cfg.MaxConns
	return p.hostFullLocked(g) || limit > 0 && p.open >= limit && p.oldestLocked() == nil
}

// put gives c to the request that has waited longest, or keeps it idle.
func (p *pool) put(c *conn) {
	c.back = time.Now()
	p.mu.Lock()
	g := c.group
	keeps := !p.closed && !c.isOld(c.back)
	if keeps {
		if !p.yieldsLocked(c) {
			if next := g.takeWaiterLocked(c.used); next != nil {
				next.granted <- grant{c: c}
				p.mu.Unlock()
				return
			}
		}
		keeps = g.dials >= g.waiters.Len() // otherwise its place is needed for a new one
	}
	var victim *conn
	if keeps {
		g.idle = append(g.idle, c)
		p.armLocked(c.expiry(p.t.cfg.IdleTimeout))
		victim = p.serveOthersLocked(g)
	} else {
		p.forgetLocked(g, c)
		victim = p.dialNextLocked(g)
		p.tidyLocked(g)
	}
	p.mu.Unlock()
	victim.end()
	if !keeps {
		c.end()
	}
}

// takeWaiterLocked removes and returns the waiter that has waited longest, or nil. used means that it gets a connection
// that was used before. Waiters for a second attempt do not, since the server may be ending many connections.
func (g *group) takeWaiterLocked(used bool) *waiter {
	for e := g.waiters.Front(); e != nil; e = e.Next() {
		if w := e.Value.(*waiter); !used || w.x.retries == 0 {
			g.waiters.Remove(e)
			return w
		}
	}
	return nil
}

// remove forgets c, which is not in the idle list. The caller ends c. stale means that c was dead at checkout.
func (p *pool) remove(c *conn, stale bool) {
	p.mu.Lock()
	g := c.group
	if stale {
		g.stats.Stale++
		g.stats.Reused--
	}
	p.forgetLocked(g, c)
	victim := p.dialNextLocked(g)
	p.tidyLocked(g)
	p.mu.Unlock()
	victim.end()
}

func (p *pool) forgetLocked(g *group, c *conn) {
	if _, known := g.all[c]; known {
		delete(g.all, c)
		p.open--
		p.noteEmptyLocked()
	}
}

// tidyLocked forgets an unused group if there are more than maxGroups.
func (p *pool) tidyLocked(g *group) {
	if len(g.all)+len(g.muxes)+len(g.borrowed)+g.closing+g.dials+g.waiters.Len() == 0 && len(p.groups) > maxGroups &&
		p.groups[g.to] == g {
		delete(p.groups, g.to)
	}
}

// maxGroups limits the unused groups kept for their statistics.
const maxGroups = 1000

// oldestLocked returns the connection that has been idle longest in any group, or nil.
func (p *pool) oldestLocked() (oldest *conn) {
	for _, g := range p.groups {
		if len(g.idle) > 0 && (oldest == nil || g.idle[0].back.Before(oldest.back)) {
			oldest = g.idle[0]
		}
	}
	return oldest
}

// evictLocked takes c, the first idle one of its group, out of the pool.
func (p *pool) evictLocked(c *conn) {
	g := c.group
	g.idle = append(g.idle[:0], g.idle[1:]...)
	p.forgetLocked(g, c)
	g.stats.Evicted++
}
