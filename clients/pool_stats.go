package clients

import (
	"time"
)

// PoolStats is a snapshot of a [Pool]: its state and its counters.
type PoolStats struct {
	Open    int // values, including those being opened or closed
	Idle    int // values not in use
	InUse   int // values in use
	Waiting int // callers waiting for a value

	Leased    uint64        // values handed out
	Opened    uint64        // values opened
	Failed    uint64        // failures to open a value
	Closed    uint64        // values closed, for any reason
	Broken    uint64        // values marked as broken
	Unhealthy uint64        // values that failed the check
	Expired   uint64        // values that became too old or were idle for too long
	Waits     uint64        // callers that waited, whether served or not
	WaitTime  time.Duration // total time of these waits
	Rejected  uint64        // callers rejected because MaxWaiters were waiting
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
