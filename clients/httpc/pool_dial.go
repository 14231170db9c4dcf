package httpc

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"github.com/weir-go/weir/chanio"
)

// dialLocked starts dials for waiters without one, as far as the limits allow. If it evicted an idle connection to make
// room, it returns that connection, which the caller ends.
func (p *pool) dialLocked(g *group) (victim *conn) {
	defer p.dismissLocked(g)
	for e := g.waiters.Front(); e != nil && g.dials < g.waiters.Len() && !p.closed; e = e.Next() {
		w := e.Value.(*waiter)
		if w.cancel != nil {
			continue
		}
		if g.dials > 0 && g.oneServesLocked(g.waiters.Len()) {
			return victim
		}
		if p.fullLocked(g) {
			p.makeRoomLocked(g)
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

// oneServesLocked reports whether the dials in progress may be enough for n requests because the server speaks HTTP/2, or
// may speak it.
func (g *group) oneServesLocked(n int) bool {
	if !g.to.mayMux {
		return false
	}
	return !g.known || g.muxed && n <= max(g.dials, 1)*g.streams()
}

// streams returns how many streams one HTTP/2 connection is expected to accept.
func (g *group) streams() int { return cmp.Or(g.perMux, usualStreams) }

// usualStreams is the number of streams assumed for an HTTP/2 connection whose limit is not known: RFC 9113 6.5.2.
const usualStreams = 100

// startLocked starts a dial in a goroutine. close waits for it.
func (p *pool) startLocked(g *group, w *waiter) {
	g.dials++
	g.stats.Dials++
	p.open++
	ctx, cancel := context.WithCancel(dialContext{p.ctx, w.x.ctx})
	w.cancel = cancel
	x := *w.x // which changes if it goes on over another connection
	p.work.Go(func() {
		defer cancel()
		p.reach(ctx, g, w, &x)
	})
}

// reach dials for x, that of w, within the connect timeout, or shares an HTTP/2 connection to another host.
func (p *pool) reach(ctx context.Context, g *group, w *waiter, x *exchange) {
	ctx, cancel := p.t.withinConnect(ctx)
	defer cancel()
	returned := false
	defer func() {
		if !returned { // a resolver, a dialer or a trace has panicked
			p.undialled(g, w, chanio.Recovered(recover()))
		}
	}()
	if m := p.shared(ctx, x); m != nil && p.share(g, w, m) {
		returned = true
		return
	}
	c, m, err := p.t.dial(ctx, x)
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

// dialContext ends with the pool. It has the values of the request, such as its trace.
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

// undialled fails w because its dial failed. If only that dial was to serve all waiters, it fails all of them.
func (p *pool) undialled(g *group, w *waiter, err error) {
	p.mu.Lock()
	g.dials--
	p.open--
	p.noteEmptyLocked()
	g.stats.DialErrors++
	if g.dials == 0 && g.oneServesLocked(1) && !w.gone && len(g.muxes)+len(g.borrowed) == 0 {
		for first := g.waiters.Front(); first != nil; first = g.waiters.Front() {
			g.waiters.Remove(first).(*waiter).granted <- grant{err: err}
		}
	}
	p.failLocked(g, w, err)
	victim := p.dialNextLocked(g)
	p.tidyLocked(g)
	p.mu.Unlock()
	victim.end()
}

// dialled gives an HTTP/1 connection that was dialled for w to the first waiter. If that is not w, another dial may start
// for w.
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
	first := g.waiters.Front()
	if first != nil {
		g.waiters.Remove(first).(*waiter).granted <- grant{c: c}
	}
	victim := p.dialLocked(g) // also for waiters that waited for the protocol to be known
	p.mu.Unlock()
	victim.end()
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

// failLocked fails w if it still waits.
func (p *pool) failLocked(g *group, w *waiter, err error) {
	for e := g.waiters.Front(); e != nil; e = e.Next() {
		if e.Value == w {
			g.waiters.Remove(e)
			w.granted <- grant{err: err}
			return
		}
	}
}

// dialNextLocked is dialLocked for the group that has waited longest because of MaxConns, otherwise g, and then for others.
func (p *pool) dialNextLocked(g *group) (victim *conn) {
	if p.starved {
		if longest, _ := p.longestLocked(nil); longest != nil {
			g = longest
		}
	}
	if victim = p.dialLocked(g); victim == nil {
		victim = p.serveOthersLocked(g)
	}
	return victim
}

// starving is how long a request waits for a place before it gets that of a connection that does not serve it, which has
// to be ended for it although it might serve other requests.
const starving = 100 * time.Millisecond

// yieldsLocked reports whether c must make room for a second attempt, which takes no used connection, or for another host.
func (p *pool) yieldsLocked(c *conn) bool {
	g := c.group
	if g.waiters.Len() == 0 {
		return false
	}
	first := g.waiters.Front().Value.(*waiter)
	if c.used && first.x.retries > 0 && g.dials == 0 && time.Since(first.since) >= starving {
		return true
	}
	if !p.starved {
		return false
	}
	longest, w := p.longestLocked(g)
	return longest != nil && time.Since(w.since) >= starving && first.since.After(w.since)
}

// longestLocked returns the group other than but that has waited longest because of MaxConns, and its waiter, or nil.
func (p *pool) longestLocked(but *group) (longest *group, first *waiter) {
	for _, g := range p.groups {
		if g == but || p.hostFullLocked(g) {
			continue
		}
		if w := g.undialledLocked(); w != nil && (first == nil || w.since.Before(first.since)) {
			longest, first = g, w
		}
	}
	return longest, first
}

// undialledLocked returns the first waiter that no dial may serve, or nil.
func (g *group) undialledLocked() *waiter {
	if g.dials >= g.waiters.Len() || g.dials > 0 && g.oneServesLocked(g.waiters.Len()) {
		return nil
	}
	for e := g.waiters.Front(); e != nil; e = e.Next() {
		if w := e.Value.(*waiter); w.cancel == nil {
			return w
		}
	}
	return nil
}

// serveOthersLocked starts dials for groups other than but that wait because of MaxConns, in the order of their
// waiting. It is called when a connection has ended or has become idle and can be evicted.
func (p *pool) serveOthersLocked(but *group) *conn {
	if !p.starved || p.closed {
		return nil
	}
	p.starved = but.dials < but.waiters.Len()
	for {
		g, _ := p.longestLocked(but)
		if g == nil {
			return nil
		}
		if victim := p.dialLocked(g); victim != nil || p.starved {
			p.starved = true // there may be more of them
			return victim
		}
	}
}
