package servers

import (
	"net"
	"net/netip"
	"sync"

	"github.com/weir-go/weir/internal/guard"
)

// perIP counts the connections of each peer and enforces a limit. The zero value has no limit.
type perIP struct {
	most int

	mu   sync.Mutex
	open map[netip.Prefix]int
}

// enter counts a connection from addr. If the peer is at its limit, enter returns false and does not count it.
func (p *perIP) enter(addr net.Addr) bool {
	peer, limited := p.peerOf(addr)
	if !limited {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[peer] >= p.most {
		return false
	}
	if p.open == nil {
		p.open = map[netip.Prefix]int{}
	}
	p.open[peer]++
	return true
}

// leave undoes one enter.
func (p *perIP) leave(addr net.Addr) {
	peer, limited := p.peerOf(addr)
	if !limited {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[peer]--; p.open[peer] <= 0 {
		delete(p.open, peer)
	}
}

// subscriber is the prefix length that one IPv6 subscriber is usually assigned (RFC 6177). Whatever the subscriber does
// with the other bits, it counts as one peer.
const subscriber = 64

// peerOf returns the prefix that identifies the peer at addr. Only TCP addresses are limited.
func (p *perIP) peerOf(addr net.Addr) (peer netip.Prefix, limited bool) {
	if p.most <= 0 {
		return netip.Prefix{}, false
	}
	peer = peerOf(addr)
	return peer, peer.IsValid()
}

// peerOf returns the prefix of the subscriber at addr, or the zero Prefix if addr is not a TCP address.
func peerOf(addr net.Addr) netip.Prefix {
	ip := ipOf(addr)
	bits := ip.BitLen()
	if ip.Is6() {
		bits = subscriber
	}
	peer, _ := ip.Prefix(bits) // the zero Prefix if there is no IP
	return peer
}

// ipOf returns the IP address of addr, or the zero Addr if addr is not a TCP address.
func ipOf(addr net.Addr) netip.Addr {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// refuse closes a connection with a reset, which leaves no state on this side.
func refuse(nc net.Conn) {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		reset(nc)
	default:
		_ = guard.Call(func() { reset(nc) }) // nc may be user code
	}
}

func reset(nc net.Conn) {
	switch nc := nc.(type) {
	case interface{ Abort() }:
		nc.Abort()
	case interface{ SetLinger(sec int) error }:
		_ = nc.SetLinger(0)
	}
	_ = nc.Close()
}
