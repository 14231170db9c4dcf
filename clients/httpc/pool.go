package httpc

import (
	"cmp"
	"container/list"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// pool holds the connections of a Transport, in groups that serve the same target. Connections are dialled in goroutines
// of the pool, so that one whose caller has left serves the next. Its methods are for any goroutine.
type pool struct {
	t    *Transport
	ctx  context.Context // ends with close
	end  context.CancelCauseFunc
	work sync.WaitGroup // dials
	runs sync.WaitGroup // what reads connections of HTTP/2

	mu     sync.Mutex
	groups map[target]*group
	alive  map[*mux]struct{} // connections of HTTP/2, also those that take no more requests
	open   int               // connections and dials
	closed bool
	empty  chan struct{} // closed when open is 0 for good; made by emptied
	told   bool          // empty is closed
	timer  *time.Timer
	wake   time.Time // when the timer fires; zero: it does not

	starved bool // a request may wait for a place among all connections
}

// group is the connections of one target.
type group struct {
	to       target
	idle     []*conn // the latest last
	all      map[*conn]struct{}
	muxes    []*mux    // of HTTP/2, that take requests
	borrowed []*mux    // likewise, of other hosts
	closing  int       // connections of HTTP/2 that take no more
	muxed    bool      // it was of HTTP/2
	perMux   int       // how many streams one takes, as far as is known
	known    bool      // a connection has been made, so that its protocol is known
	dials    int       // under way
	waiters  list.List // of *waiter
	stats    HostStats
}

// waiter is a request that waits for a connection.
type waiter struct {
	x       *exchange
	granted chan grant
	cancel  context.CancelFunc // of the dial that was begun for it, or nil
	gone    bool               // it waits no more, and has cancelled the dial
	warms   bool               // it does not wait for a connection in use
}

// grant is what a waiter gets.
type grant struct {
	c   *conn
	m   *mux
	err error
}

// carrier returns what was granted.
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

// get returns a connection for x alone, an idle one, a new one, or one that becomes free meanwhile.
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

// take returns a connection that is there, or the place of x in the queue.
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
	case g.waiters.Len() >= p.t.cfg.MaxWaiters && p.t.cfg.MaxWaiters >= 0 && p.fullLocked(g):
		g.stats.Rejected++
		p.mu.Unlock()
		discard(old)
		return grant{err: ErrBusy}, nil, nil
	}
	w := &waiter{x: x, granted: make(chan grant, 1), warms: x.warms}
	place := g.waiters.PushBack(w)
	victim := p.dialLocked(g)
	p.mu.Unlock()
	discard(old)
	victim.abort(nil)
	return grant{}, w, place
}

// popLocked returns the connection that was used last and is not too old, and those that are.
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

// placeLocked makes room for a new connection where an idle one takes the last place. It is for a request whose idle
// connection was dead, as others may be. It returns connections that the caller ends.
func (p *pool) placeLocked(g *group) (old []*conn) {
	if limit := p.t.cfg.MaxPerHost; limit <= 0 || len(g.all)+len(g.muxes)+g.dials < limit {
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

func discard(cs []*conn) {
	for _, c := range cs {
		c.abort(nil)
	}
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

// fullLocked reports whether nothing more may be opened for g.
func (p *pool) fullLocked(g *group) bool {
	cfg := &p.t.cfg
	return cfg.MaxPerHost > 0 && len(g.all)+len(g.muxes)+g.dials >= cfg.MaxPerHost ||
		cfg.MaxConns > 0 && p.open >= cfg.MaxConns && p.oldestLocked() == nil
}

// dialLocked begins dials for waiters that have none, as far as the limits permit. It returns an idle connection of
// another group that had to make room, which the caller ends.
func (p *pool) dialLocked(g *group) (victim *conn) {
	defer g.dismissLocked()
	for e := g.waiters.Front(); e != nil && g.dials < g.waiters.Len() && !p.closed; e = e.Next() {
		w := e.Value.(*waiter)
		if w.cancel != nil {
			continue
		}
		if g.dials > 0 && g.oneServesLocked(g.waiters.Len()) {
			return victim
		}
		if p.fullLocked(g) {
			p.makeRoomLocked()
			return victim
		}
		if cfg := &p.t.cfg; cfg.MaxConns > 0 && p.open >= cfg.MaxConns {
			if victim != nil {
				p.starved = true
				return victim
			}
			victim = p.oldestLocked()
			p.evictLocked(victim)
		}
		p.startLocked(g, w)
	}
	return victim
}

// oneServesLocked reports whether the connections that are dialled may be enough for n requests, since HTTP/2 may be or is
// what they speak.
func (g *group) oneServesLocked(n int) bool {
	if !g.to.mayMux {
		return false
	}
	return !g.known || g.muxed && n <= max(g.dials, 1)*cmp.Or(g.perMux, usualStreams)
}

// usualStreams is how many streams a connection of HTTP/2 is taken to carry before anybody knows: RFC 9113 6.5.2.
const usualStreams = 100

// startLocked dials in a goroutine, which close waits for.
func (p *pool) startLocked(g *group, w *waiter) {
	g.dials++
	g.stats.Dials++
	p.open++
	ctx, cancel := context.WithCancel(dialContext{p.ctx, w.x.ctx})
	w.cancel = cancel
	p.work.Go(func() {
		defer cancel()
		p.reach(ctx, g, w)
	})
}

// reach makes a connection for w, within the time for that, or finds one to another host.
func (p *pool) reach(ctx context.Context, g *group, w *waiter) {
	ctx, cancel := p.t.withinConnect(ctx)
	defer cancel()
	returned := false
	defer func() {
		if !returned { // a resolver, a dialer or a trace has panicked
			p.undialled(g, w, chanio.Recovered(recover()))
		}
	}()
	if m := p.shared(ctx, w.x); m != nil && p.share(g, w, m) {
		returned = true
		return
	}
	c, m, err := p.t.dial(ctx, w.x)
	returned = true
	switch {
	case err != nil:
		p.undialled(g, w, err)
	case m != nil:
		p.startMux(g, w, m)
	default:
		p.dialled(g, w, c)
	}
}

// dialContext ends with the pool and has the values of a request, such as its trace.
type dialContext struct {
	context.Context
	values context.Context
}

func (x dialContext) Value(key any) any {
	if v := x.Context.Value(key); v != nil {
		return v
	}
	return x.values.Value(key)
}

// undialled tells w that its dial failed. Where one dial was to serve all, all have failed.
func (p *pool) undialled(g *group, w *waiter, err error) {
	p.mu.Lock()
	g.dials--
	p.open--
	p.noteEmptyLocked()
	g.stats.DialErrors++
	if g.dials == 0 && g.oneServesLocked(1) && !w.gone {
		for first := g.waiters.Front(); first != nil; first = g.waiters.Front() {
			g.waiters.Remove(first).(*waiter).granted <- grant{err: err}
		}
	}
	p.failLocked(g, w, err)
	victim := p.dialNextLocked(g)
	p.tidyLocked(g)
	p.mu.Unlock()
	victim.abort(nil)
}

// dialled hands over a connection of HTTP/1 that was dialled for w. If another gets it w is dialled for again when there are
// fewer dials than waiters.
func (p *pool) dialled(g *group, w *waiter, c *conn) {
	p.mu.Lock()
	g.dials--
	g.known, g.muxed = true, false
	c.group = g
	c.born = time.Now()
	c.until = p.lifetime(c.born)
	if p.closed {
		p.open--
		p.noteEmptyLocked()
		p.mu.Unlock()
		c.abort(ErrClosed)
		return
	}
	g.all[c] = struct{}{}
	w.cancel = nil
	c.back = c.born
	first := g.waiters.Front()
	if first != nil {
		g.waiters.Remove(first).(*waiter).granted <- grant{c: c}
	}
	victim := p.dialLocked(g) // also of those who had to know the protocol
	p.mu.Unlock()
	victim.abort(nil)
	if first == nil {
		p.put(c)
	}
}

// lifetime returns when a connection is too old to be used again; zero means never.
func (p *pool) lifetime(born time.Time) time.Time {
	d := p.t.cfg.MaxLifetime
	if d <= 0 {
		return time.Time{}
	}
	return born.Add(d - time.Duration(rand.Int64N(int64(d)/10+1)))
}

// failLocked tells w, if it still waits.
func (p *pool) failLocked(g *group, w *waiter, err error) {
	for e := g.waiters.Front(); e != nil; e = e.Next() {
		if e.Value == w {
			g.waiters.Remove(e)
			w.granted <- grant{err: err}
			return
		}
	}
}

// put gives c to the one that has waited longest, or keeps it.
func (p *pool) put(c *conn) {
	c.back = time.Now()
	var victim *conn
	p.mu.Lock()
	g := c.group
	switch first := g.waiters.Front(); {
	case p.closed || c.isOld(c.back):
		p.forgetLocked(g, c)
		victim = p.dialNextLocked(g)
		p.tidyLocked(g)
		p.mu.Unlock()
		victim.abort(nil)
		c.abort(nil)
		return
	case first != nil:
		g.waiters.Remove(first).(*waiter).granted <- grant{c: c}
	default:
		g.idle = append(g.idle, c)
		p.armLocked(c.expiry(p.t.cfg.IdleTimeout))
		victim = p.serveOthersLocked(g)
	}
	p.mu.Unlock()
	victim.abort(nil)
}

// remove forgets c, which is not idle and will end; stale says that it was found dead.
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
	victim.abort(nil)
}

func (p *pool) forgetLocked(g *group, c *conn) {
	if _, known := g.all[c]; known {
		delete(g.all, c)
		p.open--
		p.noteEmptyLocked()
	}
}

// serveOthersLocked begins dials for groups that had to wait for a place among all connections, once there is one or a
// connection is idle that may make room. but has had its turn.
func (p *pool) serveOthersLocked(but *group) *conn {
	if !p.starved || p.closed {
		return nil
	}
	p.starved = but.dials < but.waiters.Len()
	for _, g := range p.groups {
		if g == but || g.dials >= g.waiters.Len() {
			continue
		}
		if victim := p.dialLocked(g); victim != nil || p.starved {
			p.starved = true // there may be more of them
			return victim
		}
	}
	return nil
}

// dialNextLocked is dialLocked for g, and then for those that had to wait for a place among all connections.
func (p *pool) dialNextLocked(g *group) (victim *conn) {
	if victim = p.dialLocked(g); victim == nil {
		victim = p.serveOthersLocked(g)
	}
	return victim
}

// tidyLocked forgets a group that nobody uses, unless it has something to tell.
func (p *pool) tidyLocked(g *group) {
	if len(g.all)+len(g.muxes)+len(g.borrowed)+g.closing+g.dials+g.waiters.Len() == 0 && len(p.groups) > maxGroups &&
		p.groups[g.to] == g {
		delete(p.groups, g.to)
	}
}

// maxGroups is how many targets are remembered that nothing is open for.
const maxGroups = 1000

// oldestLocked returns the connection that has been idle for longest, of all groups.
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
