package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A histogram covers a microsecond to ten minutes, with three significant digits.
const (
	latencyLeast  = int64(time.Microsecond)
	latencyMost   = int64(10 * time.Minute)
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(latencyLeast, latencyMost, latencyDigits)
}

// recorder collects the observations of all connections of a run. Its shards reduce contention.
type recorder struct {
	late   int64
	shards []shard
}

type shard struct {
	mu    sync.Mutex
	count tally
	spare tally
	_     [64]byte
}

// tally holds the observations of some time.
type tally struct {
	latency *hdrhistogram.Histogram // of replies, from the intended start of their requests
	lag     *hdrhistogram.Histogram // of requests, from the intended start to when they were written
	late    uint64                  // replies with a latency above the limit
}

const maxShards = 8

func newRecorder(spec Spec) *recorder {
	r := &recorder{late: int64(spec.late()), shards: make([]shard, min(spec.Conns, maxShards))}
	for i := range r.shards {
		r.shards[i].count, r.shards[i].spare = newTally(), newTally()
	}
	return r
}

func newTally() tally { return tally{latency: newHistogram(), lag: newHistogram()} }

// shard returns the shard of a connection, and locks it.
func (r *recorder) shard(id int) *shard {
	s := &r.shards[id%len(r.shards)]
	s.mu.Lock()
	return s
}

// reply records a reply. The shard is locked.
func (r *recorder) reply(s *shard, latency int64) {
	_ = s.count.latency.RecordValue(clamp(latency)) // it is within the bounds
	if latency > r.late {
		s.count.late++
	}
}

// request records the time between the intended start of a request and its write. The shard is locked.
func (s *shard) request(lag int64) { _ = s.count.lag.RecordValue(clamp(lag)) }

func clamp(v int64) int64 { return min(max(v, 0), latencyMost) }

// cut returns what was recorded since the last cut.
func (r *recorder) cut() tally {
	sum := newTally()
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		s.count, s.spare = s.spare, s.count
		s.mu.Unlock()
		sum.add(s.spare)
		s.spare.reset()
	}
	return sum
}

func (t *tally) add(more tally) {
	t.latency.Merge(more.latency)
	t.lag.Merge(more.lag)
	t.late += more.late
}

func (t *tally) reset() {
	t.latency.Reset()
	t.lag.Reset()
	t.late = 0
}
