package httpc

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"slices"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/http2"
)

// mux is an HTTP/2 connection. A goroutine of the pool reads it.
type mux struct {
	t      *Transport
	nc     *chanio.Conn
	h2     *http2.Conn
	secure *tls.ConnectionState

	// Guarded by the pool's lock.
	group  *group
	guests []*group // groups of other hosts that it also serves
	inUse  int      // exchanges
	used   bool
	gone   bool      // it accepts no more requests
	back   time.Time // when the last exchange ended
	until  time.Time // when it expires; zero means never
}

func newMux(t *Transport, nc *chanio.Conn, secure *tls.ConnectionState) *mux {
	limits := t.limits
	blocks := limits.Head>>14 + 8 // a head of that size in frames of 16 KiB, and a few that are not full
	cfg := &http2.Config{Limits: &limits, MaxBlocks: blocks, MaxInformational: t.cfg.MaxInformational}
	return &mux{t: t, nc: nc, h2: http2.NewClient(nc, cfg), secure: secure}
}

// startMux adds m, which was dialled for w, to its group, grants it to waiters, and starts its reader.
func (p *pool) startMux(g *group, w *waiter, m *mux) {
	p.mu.Lock()
	g.dials--
	if p.closed {
		p.open--
		p.noteEmptyLocked()
		p.mu.Unlock()
		m.nc.Abort(ErrClosed)
		return
	}
	g.known, g.muxed = true, true
	w.cancel = nil
	m.group = g
	m.back = time.Now()
	m.until = p.lifetime(m.back)
	g.muxes = append(g.muxes, m)
	p.alive[m] = struct{}{}
	p.runs.Go(func() { p.run(m) })
	p.serveLocked(g, m)
	victim := p.dialLocked(g)
	if victim == nil && m.idleLocked() { // its waiters have left
		victim = p.serveOthersLocked(g)
	}
	p.armLocked(m.expiry(p.t.cfg.IdleTimeout))
	p.mu.Unlock()
	victim.end()
}

// serveLocked grants m to the waiters of g while it has free streams.
func (p *pool) serveLocked(g *group, m *mux) {
	for room := max(m.h2.Free(), 1); room > 0 && g.waiters.Len() > 0; room-- {
		m.takenLocked()
		g.waiters.Remove(g.waiters.Front()).(*waiter).granted <- grant{m: m}
	}
}

// run reads m until it ends.
func (p *pool) run(m *mux) {
	err := m.h2.Run(context.Background()) // returns after Abort, Shutdown or the server's end
	if err == nil {
		_ = m.nc.Close() // what has been sent arrives, unlike after Abort
	}
	m.nc.Abort(err)
	p.mu.Lock()
	p.retireLocked(m)
	delete(p.alive, m)
	m.group.closing--
	p.open--
	p.noteEmptyLocked()
	victim := p.dialNextLocked(m.group)
	p.tidyLocked(m.group)
	for _, guest := range m.guests {
		p.tidyLocked(guest)
	}
	m.guests = nil
	p.mu.Unlock()
	victim.end()
}

// retire stops new requests on m, which ends with its last stream.
func (p *pool) retire(m *mux) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retireLocked(m)
}

// retireLocked is retire with the lock held.
func (p *pool) retireLocked(m *mux) {
	if m.gone {
		return
	}
	m.gone = true
	g := m.group
	itself := func(o *mux) bool { return o == m }
	g.muxes = slices.DeleteFunc(g.muxes, itself)
	for _, guest := range m.guests {
		guest.borrowed = slices.DeleteFunc(guest.borrowed, itself)
	}
	g.closing++
	m.h2.Shutdown() // does not block
}

// serving yields the connections that accept requests.
func (g *group) serving(yield func(*mux) bool) {
	for _, list := range [...][]*mux{g.muxes, g.borrowed} {
		for _, m := range list {
			if !yield(m) {
				return
			}
		}
	}
}

// isOld reports whether m has expired while in use.
func (m *mux) isOld() bool { return !m.until.IsZero() && !time.Now().Before(m.until) }

// retireEndedLocked retires connections that are too old, or on which the server accepts no more requests.
func (p *pool) retireEndedLocked(g *group) {
	for again := true; again; {
		again = false
		for m := range g.serving {
			if m.isOld() || deadline.Ended(m.h2.Done()) {
				p.retireLocked(m)
				again = true
				break
			}
		}
	}
}

// muxLocked returns a connection with a free stream or, if no further connection can be made, any that accepts
// requests. busy means that too many requests wait for a stream already.
func (p *pool) muxLocked(g *group) (best *mux, busy bool) {
	p.retireEndedLocked(g)
	free, waiting, full := 0, 0, p.fullLocked(g)
	for m := range g.serving {
		n := m.h2.Free() - m.waitingLocked()
		if n > free || best == nil && full {
			best, free = m, n
		}
		waiting += max(-n, 0)
	}
	if best == nil {
		for m := range g.serving {
			g.perMux = max(m.h2.InFlight()+m.h2.Free(), 1) // without those that are not open yet
		}
	}
	limit := p.t.cfg.MaxWaiters
	return best, best != nil && free <= 0 && limit >= 0 && waiting >= limit
}

// waitingLocked returns how many exchanges on m have no stream yet. Tunnels are not counted.
func (m *mux) waitingLocked() int { return max(m.inUse-m.h2.Exchanges(), 0) }

// wasUsed reports whether an exchange on m has ended.
func (m *mux) wasUsed() bool {
	m.t.pool.mu.Lock()
	defer m.t.pool.mu.Unlock()
	return m.used
}

// makeRoomLocked retires the HTTP/2 connection that has been idle longest if MaxConns is reached. When it has ended, a
// waiter's dial starts.
func (p *pool) makeRoomLocked() {
	if limit := p.t.cfg.MaxConns; limit <= 0 || p.open < limit {
		return
	}
	p.starved = true
	var oldest *mux
	for m := range p.alive {
		if !m.gone && m.idleLocked() && (oldest == nil || m.back.Before(oldest.back)) {
			oldest = m
		}
	}
	if oldest != nil {
		p.retireLocked(oldest)
		oldest.group.stats.Evicted++
	}
}

// takenLocked counts an additional exchange.
func (m *mux) takenLocked() {
	m.inUse++
	if m.used {
		m.group.stats.Reused++
	}
}

// release ends an exchange on m, and grants m to the next waiter.
func (m *mux) release() {
	p := m.t.pool
	p.mu.Lock()
	m.inUse--
	m.used = true
	m.back = time.Now()
	if !m.gone && !deadline.Ended(m.h2.Done()) {
		m.serveNextLocked()
	}
	m.restAndUnlock()
}

// serveNextLocked grants m to the waiter of its group that has waited longest, or to a waiter of another host it
// serves.
func (m *mux) serveNextLocked() {
	first, g := m.group.waiters.Front(), m.group
	for i := 0; first == nil && i < len(m.guests); i++ {
		g = m.guests[i]
		first = g.waiters.Front()
	}
	if first != nil {
		m.takenLocked()
		g.waiters.Remove(first).(*waiter).granted <- grant{m: m}
	}
}

// expiry returns when m expires if it stays idle; zero means never.
func (m *mux) expiry(idle time.Duration) time.Time {
	at := m.until
	if idle > 0 {
		if end := m.back.Add(idle); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

// sweepMuxesLocked retires the expired idle connections of g.
func (p *pool) sweepMuxesLocked(g *group, now time.Time) {
	for _, m := range slices.Clone(g.muxes) {
		if m.inUse > 0 {
			continue // release arms the timer
		}
		if !m.idleLocked() {
			p.armLocked(within(p.t.cfg.IdleTimeout))
			continue
		}
		if at := m.expiry(p.t.cfg.IdleTimeout); !at.IsZero() && !now.Before(at) {
			g.stats.Expired++
			p.retireLocked(m)
		} else {
			p.armLocked(at)
		}
	}
}

func (m *mux) gotConn(trace *httptrace.ClientTrace) {
	if trace == nil || trace.GotConn == nil {
		return
	}
	p := m.t.pool
	p.mu.Lock()
	info := httptrace.GotConnInfo{Conn: m.nc.NetConn(), Reused: m.used || m.inUse > 1, WasIdle: m.used && m.inUse == 1}
	if info.WasIdle {
		info.IdleTime = time.Since(m.back)
	}
	p.mu.Unlock()
	trace.GotConn(info)
}
