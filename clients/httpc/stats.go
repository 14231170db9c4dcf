package httpc

import (
	"slices"
	"strings"
	"time"
)

// HostStats is a consistent snapshot of the connections to one host.
type HostStats struct {
	Target string // scheme, host and port, and the proxy, without its credentials

	Open    int // connections, idle and in use
	Idle    int
	Dialing int // connections that are being made
	Waiting int // requests that wait for one
	Streams int // requests under way on connections of HTTP/2

	Dials      uint64        // begun
	DialErrors uint64        // that failed
	Shared     uint64        // times a connection to another host was taken in the place of a dial: see Config.CoalesceHosts
	Reused     uint64        // times a connection was used again without waiting
	Stale      uint64        // connections that were found dead when they were to be used again
	Expired    uint64        // that were idle for too long or too old
	Evicted    uint64        // that made room for those of other hosts
	Rejected   uint64        // requests, with ErrBusy
	Waits      uint64        // requests that waited, also for a dial
	WaitTime   time.Duration // how long, in all
}

// stats returns the state of all groups, by target.
func (p *pool) stats() []HostStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]HostStats, 0, len(p.groups))
	for _, g := range p.groups {
		s := g.stats
		s.Open, s.Idle = len(g.all)+len(g.muxes)+g.closing, len(g.idle)
		s.Dialing, s.Waiting = g.dials, g.waiters.Len()
		for _, m := range g.muxes {
			s.Streams += m.inUse
			if m.idleLocked() {
				s.Idle++
			}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b HostStats) int { return strings.Compare(a.Target, b.Target) })
	return all
}
