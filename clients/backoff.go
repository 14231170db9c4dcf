package clients

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Backoff returns the pause after a number of consecutive failures, which is at least 1. It must be safe for concurrent
// use.
type Backoff func(failures int) time.Duration

// ExponentialBackoff returns a Backoff whose pause doubles from first to most, less a random part:
//
//	pause(n) = min(most, first · 2ⁿ⁻¹) · (1 − jitter · r), r uniform in [0, 1)
//
// With a jitter of 0 the pause is exact; with 1 it is uniform between zero and the full pause ("full jitter"). Jitter
// keeps the many clients of one server from retrying at the same time.
func ExponentialBackoff(first, most time.Duration, jitter float64) Backoff {
	if first <= 0 || most < first || jitter < 0 || jitter > 1 || math.IsNaN(jitter) {
		panic(fmt.Sprintf("clients: ExponentialBackoff: needs 0 < first <= most and 0 <= jitter <= 1, got %v, %v and %v",
			first, most, jitter))
	}
	return func(failures int) time.Duration {
		whole := most
		if n := float64(first) * math.Pow(2, float64(failures-1)); n < float64(most) {
			whole = time.Duration(n)
		}
		return whole - time.Duration(float64(whole)*jitter*rand.Float64())
	}
}
