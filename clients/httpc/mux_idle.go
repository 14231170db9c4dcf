package httpc

import (
	"time"

	"github.com/weir-go/weir/chanio"
)

// idleLocked reports whether m carries nothing. A tunnel, or a WebSocket, is no exchange any more, and keeps it busy.
func (m *mux) idleLocked() bool { return m.inUse == 0 && m.h2.InFlight() == 0 }

// restAndUnlock is for a connection on which something has ended: one that is too old is retired, and one that is idle waits
// for its time, or makes room for the requests to other hosts that wait for that.
func (m *mux) restAndUnlock() {
	p := m.t.pool
	var victim *conn
	switch {
	case !m.until.IsZero() && m.back.After(m.until):
		p.retireLocked(m)
	case m.inUse == 0:
		p.armLocked(m.expiry(p.t.cfg.IdleTimeout))
		if m.idleLocked() {
			victim = p.serveOthersLocked(m.group)
		}
	}
	p.mu.Unlock()
	victim.abort(nil)
}

// tunnelled has the end of a tunnel noted, which is over when its stream is.
func (st *muxStream) tunnelled(tunnel *chanio.Conn) {
	tunnel.Out.OnDone(func() {
		<-st.s.Done()
		m := st.m
		m.t.pool.mu.Lock()
		m.back = time.Now()
		m.restAndUnlock()
	})
}
