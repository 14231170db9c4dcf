package load

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// schedule determines when the requests of an open loop are due: request g of the run at first + g × interval, on
// connection g modulo their number. The target has no influence on it.
type schedule struct {
	run      *run
	first    int64   // since the epoch, in nanoseconds
	interval float64 // nanoseconds
	given    uint64
	parts    []*part
}

// part is one connection's part of a schedule.
type part struct {
	sched *schedule
	index uint64

	due  atomic.Int64  // requests to send
	wake chan struct{} // signals due; closed after the last request
}

func newSchedule(r *run) *schedule {
	s := &schedule{run: r, interval: float64(time.Second) / r.spec.Rate, first: r.now()}
	for i := range r.workers {
		if w := &r.workers[i]; !w.idle() {
			w.part = s.add()
		}
	}
	for i := range r.sockets {
		r.sockets[i].part = s.add()
	}
	return s
}

func (s *schedule) add() *part {
	p := &part{sched: s, index: uint64(len(s.parts)), wake: make(chan struct{}, 1)}
	s.parts = append(s.parts, p)
	return p
}

// begins returns when request k of this connection is due, in nanoseconds since the epoch.
func (p *part) begins(k uint64) int64 {
	g := k*uint64(len(p.sched.parts)) + p.index
	return p.sched.first + int64(float64(g)*p.sched.interval)
}

const (
	shortNap = 50 * time.Microsecond // requests due within it are released together
	longNap  = 20 * time.Millisecond // the longest wait until the end of the run is noticed
)

// pace releases requests as they become due until the run is over.
func (s *schedule) pace(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for !s.run.stop.Load() && ctx.Err() == nil {
		now := s.run.now()
		s.give(uint64(float64(now-s.first)/s.interval) + 1)
		next := s.first + int64(float64(s.given)*s.interval)
		nap(min(max(time.Duration(next-s.run.now()), shortNap), longNap))
	}
	for _, p := range s.parts {
		close(p.wake)
	}
	return nil
}

// give releases all requests before total.
func (s *schedule) give(total uint64) {
	for ; s.given < total; s.given++ {
		p := s.parts[s.given%uint64(len(s.parts))]
		p.due.Add(1)
		select {
		case p.wake <- struct{}{}:
		default: // it has yet to take what it was woken for before
		}
	}
}

// moreProcs raises GOMAXPROCS for the goroutine that paces an open loop. That goroutine sleeps in system calls, because
// the runtime's timers are a millisecond late in an idle process. The returned function restores the value.
func moreProcs(spec Spec) func() {
	if spec.Rate == 0 {
		return func() {}
	}
	n := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(n + 1)
	return func() { runtime.GOMAXPROCS(n) }
}
