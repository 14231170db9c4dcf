package http2

import "time"

// bucket limits what a peer may do, in a burst and per second in the long run.
type bucket struct {
	burst, rate int
	used        int
	since       time.Time // when what has been used last became less
}

func newBucket(burst, rate int) bucket { return bucket{burst: burst, rate: rate} }

// take counts one more and reports whether it is allowed.
func (b *bucket) take() bool {
	if b.used == 0 {
		b.since = time.Now()
	}
	b.used++
	if b.used <= b.burst {
		return true
	}
	if back := int(time.Since(b.since).Seconds() * float64(b.rate)); back > 0 {
		b.used = max(b.used-back, 1)
		b.since = time.Now()
	}
	return b.used <= b.burst
}
