package httpc

import (
	"time"

	"github.com/weir-go/weir/chanio"
)

// idleLocked reports whether m has no exchange and no stream, such as a tunnel or a WebSocket.
func (m *mux) idleLocked() bool { return m.inUse == 0 && m.h2.InFlight() == 0 }

// restAndUnlock is called when an exchange or a tunnel on m has ended. It retires m if it has expired. If m is idle, it
// arms the timer, and may retire m for waiters of other hosts.
func (m *mux) restAndUnlock() {
	p := m.t.pool
	var victim *conn
	switch {
	case m.isOld():
		p.retireLocked(m)
	case m.inUse == 0:
		p.armLocked(m.expiry(p.t.cfg.IdleTimeout))
		if m.idleLocked() {
			victim = p.serveOthersLocked(m.group)
		}
	}
	p.mu.Unlock()
	victim.end()
}

// tunnelled calls restAndUnlock when the stream of a tunnel has ended.
func (st *muxStream) tunnelled(tunnel *chanio.Conn) {
	tunnel.Out.OnDone(func() {
		<-st.s.Done()
		m := st.m
		m.t.pool.mu.Lock()
		m.back = time.Now()
		m.restAndUnlock()
	})
}
