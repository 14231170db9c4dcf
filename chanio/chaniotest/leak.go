package chaniotest

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// grace is how long a goroutine may run after its owner has ended.
const grace = 3 * time.Second

// Main runs the tests of a package and fails if goroutines that they started remain. It prints the stacks of those to
// standard error. Call it from TestMain; it does not return.
//
//	func TestMain(m *testing.M) { chaniotest.Main(m) }
//
// Goroutines have a few seconds to end; Main waits only while there are any. It does not check a run that has failed
// otherwise.
func Main(m *testing.M) {
	before := takeCensus()
	code := m.Run()
	if code == 0 {
		if left := before.remaining(); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "chaniotest: %d goroutines outlived the tests:\n\n%s\n", len(left), joinStacks(left))
			code = 1
		}
	}
	os.Exit(code)
}

// NoLeak fails t if goroutines that were started since this call remain after t and its other cleanups. Call it first
// in a test. The test must not be parallel, because the goroutines of other tests would be counted.
func NoLeak(t testing.TB) {
	t.Helper()
	before := takeCensus()
	t.Cleanup(func() {
		if left := before.remaining(); len(left) > 0 && !t.Failed() {
			t.Errorf("chaniotest: %d goroutines outlived the test:\n\n%s", len(left), joinStacks(left))
		}
	})
}

// remaining returns the new goroutines that do not end within the grace period, which in a synctest bubble is measured
// on the bubble's clock.
func (c census) remaining() []goroutine {
	deadline := time.Now().Add(grace)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left := c.newcomers()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}
