package chaniotest

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// grace is how long a goroutine may run after its owner has ended.
const grace = 3 * time.Second

// Main runs the tests of a package, and fails if goroutines remain that they started: their stacks go to standard
// error. It is for TestMain, and does not return.
//
//	func TestMain(m *testing.M) { chaniotest.Main(m) }
//
// Goroutines get a few seconds to end, which costs nothing when there are none. A run that has failed anyway is not
// checked.
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

// NoLeak fails t if, when t and its other cleanups are over, goroutines remain that were started since this call. It is
// called first in a test, which does not run in parallel with others: theirs would be counted.
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
