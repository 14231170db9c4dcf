package httpc

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// errNoExtended is the error if HTTP/1 is disabled and the server does not support WebSockets over HTTP/2.
var errNoExtended = fmt.Errorf("httpc: the server does not offer WebSockets over HTTP/2 (RFC 8441): %w", errors.ErrUnsupported)

// tunnels reports whether a 2xx response turns the connection, or the stream, into a tunnel for the caller.
func (x *exchange) tunnels() bool { return x.method == http.MethodConnect || x.extended }

// wantsExtended returns the protocol that x requests by extended CONNECT instead of Upgrade, or "".
func (x *exchange) wantsExtended() string {
	if x.call == nil || x.call.r.protocol == "" || x.method != http.MethodGet || !slices.Contains(x.upgrade, x.call.r.protocol) {
		return ""
	}
	return x.call.r.protocol
}

// leaveHTTP2 makes the next attempt of x use HTTP/1, which the server requires, and reports whether the Config permits it.
func (x *exchange) leaveHTTP2() bool {
	if _, only := x.t.muxes(x.to.scheme); only {
		return false
	}
	x.to.mayMux, x.protocol = false, ""
	return true
}

// extend returns an HTTP/2 connection that supports extended CONNECT (RFC 8441), or nil if x is to use HTTP/1. It waits
// for the connection's first SETTINGS. It uses existing connections only, unless HTTP/1 is disabled.
func (t *Transport) extend(x *exchange) (carrier, error) {
	x.extended = false
	if x.protocol == "" || x.forward {
		return nil, nil
	}
	to := x.to
	to.mayMux, to.prior = t.muxes(to.scheme)
	if !to.mayMux {
		return nil, nil
	}
	var m *mux
	if to.prior {
		x.to = to
		c, err := t.pool.get(x)
		if err != nil {
			return nil, err
		}
		m = c.(*mux) // only HTTP/2 is dialled
	} else if m = t.pool.present(to); m == nil {
		return nil, nil
	}
	err := m.h2.AwaitSettings(x.ctx)
	if err == nil && m.h2.AllowsConnect() {
		x.extended = true
		return m, nil
	}
	m.giveBack()
	switch {
	case !to.prior:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return nil, errNoExtended
}

// present returns an existing HTTP/2 connection with a free stream, or nil.
func (p *pool) present(to target) *mux {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[to]
	if g == nil || p.closed {
		return nil
	}
	p.retireEndedLocked(g)
	for m := range g.serving {
		if m.roomLocked() > 0 {
			m.takenLocked()
			return m
		}
	}
	return nil
}
