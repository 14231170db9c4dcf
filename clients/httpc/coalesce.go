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

// shared returns an HTTP/2 connection to another host that may also serve x, or nil if there is none. By RFC 9113 9.1.1
// the host of x must resolve to the address of the connection, and the server's certificate must be valid for the host.
// ctx bounds the lookup.
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
		return nil // the dial reports the error
	}
	for _, m := range found {
		if to, ok := addressOf(m.nc.RemoteAddr()); ok && slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == to }) {
			return m
		}
	}
	return nil
}

// certified returns the connections to other hosts on the same port with a certificate that is valid for host.
func (p *pool) certified(to target, host, port string) (found []*mux) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for m := range p.alive {
		of := &m.group.to
		if m.gone || m.isOld() || of.route != to.route || of.scheme != "https" || of.proxy != "" || of.unix != "" || of.alone != "" {
			continue
		}
		if of.addr == to.addr || !strings.HasSuffix(of.addr, ":"+port) || len(m.secure.VerifiedChains) == 0 || m.roomLocked() <= 0 {
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

// mayShare reports whether the configuration lets x use a connection to another host.
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

// mayShareTLS reports whether conf has the same effect for every host.
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

// resolver returns the resolver for the host of x.
func (t *Transport) resolver(ctx context.Context, x *exchange) clients.Resolver {
	if r := t.connectConfig(ctx, x).Resolver; r != nil {
		return r
	}
	return clients.SystemResolver(nil)
}

// share makes m, a connection to another host, serve g instead of the dial for w. It returns false if m has no room.
func (p *pool) share(g *group, w *waiter, m *mux) bool {
	p.mu.Lock()
	if p.closed || m.roomLocked() <= 0 {
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
	m.serveLocked()
	p.watchLocked(m)
	victim := p.dialLocked(g)
	if victim == nil {
		victim = p.serveOthersLocked(g)
	}
	p.mu.Unlock()
	victim.end()
	return true
}

// maxGuests limits the hosts remembered for a connection to another host. A forgotten host looks the connection up
// again.
const maxGuests = 256

// dropGuestLocked forgets the first guest of m without waiters and dials, if there are too many.
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

// apart is the set of hosts that are not served over the connections of other hosts.
type apart struct {
	n     atomic.Int32
	mu    sync.Mutex
	hosts map[target]struct{}
}

// has reports whether to is in the set.
func (a *apart) has(to target) bool {
	if a.n.Load() == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.hosts[to]
	return ok
}

// add adds to, and removes another target if there are too many.
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

// ownTarget returns a target whose connections are only for the host of x.
func (x *exchange) ownTarget() target {
	to := x.to
	to.alone = strings.ToLower(x.host)
	return to
}

// misdirected reports whether the server answered 421 over a reused connection, and x, whatever its method, can be sent
// again over a connection for its host alone (RFC 9110 15.5.20). It then closes the body of resp.
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
