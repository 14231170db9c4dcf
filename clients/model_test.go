package clients_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// modelled calls run with random numbers for half a second, or for five with WEIR_LONG, on 1, 2 or 8 processors. A
// failure names its seed, which WEIR_SEED repeats.
func modelled(t *testing.T, run func(t *testing.T, r *rand.Rand)) {
	one := func(seed uint64) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS([]int{1, 2, 8}[seed%3]))
		defer func() {
			if t.Failed() {
				t.Logf("WEIR_SEED=%d", seed)
			}
		}()
		run(t, rand.New(rand.NewPCG(seed, 0)))
	}
	if given := os.Getenv("WEIR_SEED"); given != "" {
		seed, err := strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
		one(seed)
		return
	}
	length := time.Second / 2
	if os.Getenv("WEIR_LONG") == "1" {
		length = 5 * time.Second
	}
	runs := 0
	for start, seed := time.Now(), rand.Uint64(); time.Since(start) < length && !t.Failed(); seed++ {
		one(seed)
		runs++
	}
	t.Logf("%d runs", runs)
}

// upTo returns a random time below most.
func upTo(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most)))
}

// oneIn returns true once in n calls on average.
func oneIn(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }
