package httpc

import (
	"slices"
	"strings"
	"time"
)

// HostStats is a consistent snapshot of the connections to one host.
type HostStats struct {
	Target string // scheme, host, port and proxy, without credentials

	Open    int // connections, idle and in use
	Idle    int
	Dialing int // connections being opened
	Waiting int // requests waiting for a connection, or for a stream of one
	Streams int // requests in progress on HTTP/2 connections

	Dials      uint64        // dials started
	DialErrors uint64        // dials failed
	Shared     uint64        // connections to another host used instead of a dial; see Config.CoalesceHosts
	Reused     uint64        // connections reused without waiting
	Stale      uint64        // connections found dead when reused
	Expired    uint64        // connections closed because they were idle for too long or too old
	Evicted    uint64        // connections closed to make room for other hosts
	Rejected   uint64        // requests that failed with ErrBusy
	Waits      uint64        // requests that waited, also for a dial
	WaitTime   time.Duration // total time of these waits
}

// stats returns the state of all groups, by target.
func (p *pool) stats() []HostStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	streams := make(map[*group]int, len(p.groups))
	for m := range p.alive {
		streams[m.group] += m.inUse
	}
	all := make([]HostStats, 0, len(p.groups))
	for _, g := range p.groups {
		s := g.stats
		s.Open, s.Idle = len(g.all)+len(g.muxes)+g.closing, len(g.idle)
		s.Dialing, s.Waiting = g.dials, g.waiters.Len()
		s.Streams = streams[g]
		for _, m := range g.muxes {
			if m.idleLocked() {
				s.Idle++
			}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b HostStats) int { return strings.Compare(a.Target, b.Target) })
	return all
}
