package httpc

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/clients"
)

// shared returns a connection of HTTP/2 to another host that may serve x too, with the conditions of RFC 9113 9.1.1: the
// host of x has the address that the connection leads to, and the certificate that the server has shown is valid for it.
// Its look-up is within ctx. It returns nil if there is none.
func (p *pool) shared(ctx context.Context, x *exchange) *mux {
	if !p.t.mayShare(x) {
		return nil
	}
	host, port, err := net.SplitHostPort(x.to.addr)
	if err != nil {
		return nil
	}
	found := p.certified(x.to, host, port)
	if len(found) == 0 {
		return nil
	}
	addrs, err := p.t.resolver(ctx, x).LookupAddrs(ctx, host)
	if err != nil {
		return nil // dialling says why
	}
	for _, m := range found {
		if to, ok := addressOf(m.nc.RemoteAddr()); ok && slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == to }) {
			return m
		}
	}
	return nil
}

// certified returns the connections to other hosts at the same port whose certificate is valid for host.
func (p *pool) certified(to target, host, port string) (found []*mux) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for m := range p.alive {
		of := &m.group.to
		if m.gone || of.route != to.route || of.scheme != "https" || of.proxy != "" || of.unix != "" || of.alone != "" {
			continue
		}
		if !strings.HasSuffix(of.addr, ":"+port) || len(m.secure.VerifiedChains) == 0 || m.h2.Free() == 0 {
			continue
		}
		if m.secure.PeerCertificates[0].VerifyHostname(host) == nil {
			found = append(found, m)
		}
	}
	return found
}

func addressOf(a net.Addr) (netip.Addr, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	addr := tcp.AddrPort().Addr().Unmap()
	return addr, addr.IsValid()
}

// mayShare reports whether x may go over a connection to another host, as far as its configuration tells.
func (t *Transport) mayShare(x *exchange) bool {
	if !t.cfg.CoalesceHosts || t.cfg.Dial != nil || x.to.scheme != "https" || !x.to.mayMux || x.proxy != nil || x.to.unix != "" ||
		x.to.alone != "" {
		return false
	}
	conf := t.cfg.Connect.TLS
	if r := x.to.route; r != nil && r.TLS != nil {
		conf = r.TLS
	}
	return conf == nil || mayShareTLS(conf)
}

// mayShareTLS reports whether what conf does is the same for every host.
func mayShareTLS(conf *clients.TLSConfig) bool {
	if conf.InsecureSkipVerify || conf.ServerName != "" || conf.HideServerName || len(conf.Certificates) > 0 || conf.CertFile != "" {
		return false
	}
	base := conf.Base
	return base == nil || !base.InsecureSkipVerify && base.ServerName == "" && len(base.Certificates) == 0 && hasNoHooks(base)
}

func hasNoHooks(conf *tls.Config) bool {
	return conf.VerifyConnection == nil && conf.VerifyPeerCertificate == nil && conf.GetClientCertificate == nil &&
		conf.EncryptedClientHelloRejectionVerify == nil
}

// resolver returns what finds the address of the host of x.
func (t *Transport) resolver(ctx context.Context, x *exchange) clients.Resolver {
	if r := t.connectConfig(ctx, x).Resolver; r != nil {
		return r
	}
	return clients.SystemResolver(nil)
}

// share has m, a connection to another host, serve g in the place of a dial for w. It reports whether m still can.
func (p *pool) share(g *group, w *waiter, m *mux) bool {
	p.mu.Lock()
	if m.gone || p.closed || isDone(m.h2.Done()) {
		p.mu.Unlock()
		return false
	}
	g.dials--
	p.open--
	p.noteEmptyLocked()
	g.known, g.muxed = true, true
	g.stats.Dials--
	g.stats.Shared++
	w.cancel = nil
	if !slices.Contains(g.borrowed, m) {
		g.borrowed = append(g.borrowed, m)
		m.guests = append(m.guests, g)
		p.dropGuestLocked(m)
	}
	p.serveLocked(g, m)
	victim := p.dialLocked(g)
	if victim == nil {
		victim = p.serveOthersLocked(g)
	}
	p.mu.Unlock()
	victim.abort(nil)
	return true
}

// maxGuests is how many other hosts are remembered that a connection serves. One that was forgotten looks for it again.
const maxGuests = 256

// dropGuestLocked forgets the first guest of m that nobody waits in, if there are too many.
func (p *pool) dropGuestLocked(m *mux) {
	if len(m.guests) <= maxGuests {
		return
	}
	i := slices.IndexFunc(m.guests, func(g *group) bool { return g.waiters.Len()+g.dials == 0 })
	if i < 0 {
		return
	}
	g := m.guests[i]
	m.guests = slices.Delete(m.guests, i, i+1)
	g.borrowed = slices.DeleteFunc(g.borrowed, func(o *mux) bool { return o == m })
	p.tidyLocked(g)
}

// apart remembers which hosts are not served over the connections of others.
type apart struct {
	n     atomic.Int32
	mu    sync.Mutex
	hosts map[target]struct{}
}

// has reports whether to is one of them.
func (a *apart) has(to target) bool {
	if a.n.Load() == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.hosts[to]
	return ok
}

// add remembers to, in the place of another if there are too many.
func (a *apart) add(to target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hosts == nil {
		a.hosts = map[target]struct{}{}
	}
	for other := range a.hosts {
		if len(a.hosts) < maxGroups {
			break
		}
		delete(a.hosts, other)
	}
	a.hosts[to] = struct{}{}
	a.n.Store(int32(len(a.hosts)))
}

// ownTarget returns the target of connections for the host of x alone.
func (x *exchange) ownTarget() target {
	to := x.to
	to.alone = strings.ToLower(x.host)
	return to
}

// misdirected reports whether the server does not serve the host of x over the connection that it came by, and x can be
// sent once more over a connection of its own, whatever its method: RFC 9110 15.5.20. resp is then over.
func (x *exchange) misdirected(resp *http.Response) bool {
	if resp.StatusCode != http.StatusMisdirectedRequest || !x.reused || x.forward || x.to.alone != "" || x.ctx.Err() != nil {
		return false
	}
	if !x.rewind() {
		return false
	}
	_ = resp.Body.Close()
	x.to = x.ownTarget()
	x.t.apart.add(x.to)
	return true
}
