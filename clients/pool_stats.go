package clients

import (
	"time"
)

// PoolStats is a snapshot of a [Pool]: its state and its counters.
type PoolStats struct {
	Open    int // values there are, and those being opened or closed
	Idle    int // of which nobody uses
	InUse   int // of which have been given out
	Waiting int // callers who wait for one

	Leased    uint64        // values given out
	Opened    uint64        // of which had to be opened
	Failed    uint64        // openings that failed
	Closed    uint64        // values closed, for whatever reason
	Broken    uint64        // of which their user said were broken
	Unhealthy uint64        // of which failed the check
	Expired   uint64        // of which had become too old
	Waits     uint64        // callers who have waited, served or not
	WaitTime  time.Duration // for how long in all
	Rejected  uint64        // callers who found as many waiting as may
}

// Stats returns a consistent snapshot of the pool.
func (p *Pool[T]) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Open, s.Idle, s.InUse, s.Waiting = p.open, len(p.idle), p.inUse, p.waiters.Len()
	return s
}

func (p *Pool[T]) count(n *uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*n++
}
