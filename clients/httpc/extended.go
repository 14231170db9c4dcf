package httpc

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// errNoExtended is why a WebSocket cannot be had of a server that only HTTP/2 may be spoken with.
var errNoExtended = fmt.Errorf("httpc: the server does not offer WebSockets over HTTP/2 (RFC 8441): %w", errors.ErrUnsupported)

// tunnels reports whether a response of 2xx makes the connection, or a stream of it, one of the caller.
func (x *exchange) tunnels() bool { return x.method == http.MethodConnect || x.extended }

// wantsExtended returns the protocol that x may ask for by an extended CONNECT in the place of an Upgrade, or "".
func (x *exchange) wantsExtended() string {
	if x.call == nil || x.call.r.protocol == "" || x.method != http.MethodGet || !slices.Contains(x.upgrade, x.call.r.protocol) {
		return ""
	}
	return x.call.r.protocol
}

// extend returns a connection of HTTP/2 that takes extended CONNECT (RFC 8441), whose first SETTINGS it waits for, or nil if
// x goes over HTTP/1. Only a connection that is there is looked at, unless HTTP/1 is not spoken at all.
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
		m = c.(*mux) // no other is dialled
	} else if m = t.pool.present(to); m == nil {
		return nil, nil
	}
	err := m.h2.AwaitSettings(x.ctx)
	if err == nil && m.h2.AllowsConnect() {
		x.extended = true
		return m, nil
	}
	m.release()
	switch {
	case !to.prior:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return nil, errNoExtended
}

// present returns a connection of HTTP/2 that is there and has room, or nil.
func (p *pool) present(to target) *mux {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[to]
	if g == nil || p.closed {
		return nil
	}
	p.retireEndedLocked(g)
	for m := range g.serving {
		if m.h2.Free()-m.waitingLocked() > 0 {
			m.takenLocked()
			return m
		}
	}
	return nil
}
