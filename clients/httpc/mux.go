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
	opens  int      // exchanges whose streams are not open yet
	used   bool
	gone   bool      // it accepts no more requests
	watch  bool      // a goroutine serves waiters when it gets room
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
	if g.waiters.Len() > 0 { // even if it has no room, or has ended: the waiter reports why
		m.grantLocked(g)
	}
	m.serveLocked()
	p.watchLocked(m)
	victim := p.dialLocked(g)
	if victim == nil && m.idleLocked() { // its waiters have left
		victim = p.serveOthersLocked(g)
	}
	p.armLocked(m.expiry(p.t.cfg.IdleTimeout))
	p.mu.Unlock()
	victim.end()
}

// grantLocked grants m to the first waiter of g.
func (m *mux) grantLocked(g *group) {
	m.takenLocked()
	g.waiters.Remove(g.waiters.Front()).(*waiter).granted <- grant{m: m}
}

// serveLocked grants m, while it has room, to the waiters of its group, then to those of the other hosts it serves.
func (m *mux) serveLocked() {
	for i, g := -1, m.group; ; g = m.guests[i] {
		for g.waiters.Len() > 0 && m.roomLocked() > 0 {
			m.grantLocked(g)
		}
		if i++; i == len(m.guests) {
			return
		}
	}
}

// awaitedLocked reports whether requests wait for a stream of m.
func (m *mux) awaitedLocked() bool {
	return m.group.waiters.Len() > 0 || slices.ContainsFunc(m.guests, func(g *group) bool { return g.waiters.Len() > 0 })
}

// watchLocked starts a goroutine that serves those who wait for a stream of m, unless one runs or nobody waits. m may
// get room without an exchange that ends: a tunnel ends, the server permits more streams, or a body is still unread.
func (p *pool) watchLocked(m *mux) {
	if !m.watch && !m.gone && m.awaitedLocked() {
		m.watch = true
		p.runs.Go(func() { p.watch(m) })
	}
}

// watch returns when nobody waits for a stream of m, or when m accepts no more requests.
func (p *pool) watch(m *mux) {
	var old <-chan time.Time
	if !m.until.IsZero() {
		timer := time.NewTimer(time.Until(m.until))
		defer timer.Stop()
		old = timer.C
	}
	p.mu.Lock()
	for {
		changed := m.h2.Changed()
		m.serveLocked()
		if m.isOld() || deadline.Ended(m.h2.Done()) {
			p.retireLocked(m)
		}
		if m.gone || !m.awaitedLocked() {
			break
		}
		p.mu.Unlock()
		select {
		case <-changed:
		case <-old:
		}
		p.mu.Lock()
	}
	m.watch = false
	var victim *conn
	if m.gone {
		victim = p.dialLocked(m.group) // m counts no more for MaxPerHost
	}
	p.mu.Unlock()
	victim.end()
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

// muxLocked returns the connection with most room after those who wait have been served, or nil.
func (p *pool) muxLocked(g *group) (best *mux) {
	p.retireEndedLocked(g)
	free := 0
	for m := range g.serving {
		m.serveLocked()
		if n := m.roomLocked(); n > free {
			best, free = m, n
		}
	}
	if best == nil {
		for m := range g.serving {
			g.perMux = max(m.h2.InFlight()+m.h2.Free(), 1) // without those that are not open yet
		}
	}
	return best
}

// roomLocked returns how many further requests m can send at once.
func (m *mux) roomLocked() int {
	if m.gone || m.isOld() {
		return 0
	}
	return m.h2.Free() - m.opens
}

// opened is called when an exchange has opened its stream, or will not. It reports whether an exchange on m has ended.
func (m *mux) opened() (used bool) {
	m.t.pool.mu.Lock()
	defer m.t.pool.mu.Unlock()
	m.opens--
	m.serveLocked() // the stream may have counted twice
	return m.used
}

// giveBack ends an exchange on m that opens no stream.
func (m *mux) giveBack() {
	m.opened()
	m.release()
}

// makeRoomLocked retires the HTTP/2 connection that has been idle longest if it is MaxConns that leaves no room for g.
// When it has ended, a waiter's dial starts.
func (p *pool) makeRoomLocked(g *group) {
	if limit := p.t.cfg.MaxConns; limit <= 0 || p.open < limit || p.hostFullLocked(g) {
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

// takenLocked counts an additional exchange, which opens a stream.
func (m *mux) takenLocked() {
	m.inUse++
	m.opens++
	if m.used {
		m.group.stats.Reused++
	}
}

// release ends an exchange on m, and serves those who wait.
func (m *mux) release() {
	p := m.t.pool
	p.mu.Lock()
	m.inUse--
	m.used = true
	m.back = time.Now()
	m.serveLocked()
	m.restAndUnlock()
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
