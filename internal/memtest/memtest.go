// Package memtest measures, for tests, the memory that idle objects use.
package memtest

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/weir-go/weir/internal/pool"
)

// alone is the environment variable that names the test to run alone in a process.
const alone = "WEIR_ALONE"

// Alone runs the test again in a new process and reports whether this is that process. The size of a new goroutine's
// stack depends on the goroutines that ran before. The test in the first process passes or fails as the one in the new
// process does.
func Alone(t *testing.T) bool {
	if os.Getenv(alone) == t.Name() {
		return true
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), alone+"="+t.Name())
	out, err := child.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// Records makes the runtime allocate its records of n goroutines, which it keeps and reuses.
func Records(n int) {
	stop := make(chan struct{})
	var parked sync.WaitGroup
	for range n {
		parked.Go(func() { <-stop })
	}
	close(stop)
	parked.Wait()
}

// Goroutines returns how many goroutines there are more than before. It waits up to 10 s for those that are about to end,
// until there are at most most.
func Goroutines(before, most int) int {
	for giveUp := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if n := runtime.NumGoroutine() - before; n <= most || time.Now().After(giveUp) {
			return n
		}
	}
}

// InUse returns the bytes of heap and of stacks in use after garbage collections.
func InUse() (heap, stack int) {
	for range 3 { // the second one empties pools; each shrinks stacks
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), int(m.StackInuse)
}

// Held returns the bytes of heap and stacks in use after start that are no longer in use after stop. It calls both.
func Held(start func() (stop func())) int {
	heap, stack := HeldApart(start)
	return heap + stack
}

// HeldApart is Held with separate results for heap and stacks. It takes pool.Window, after which pools let go of what
// nobody has used meanwhile: a busy machine serves many connections at once, and leaves their buffers there.
func HeldApart(start func() (stop func())) (heap, stack int) {
	heap, stack = InUse()
	stop := start()
	time.Sleep(pool.Window)
	heapAfter, stackAfter := InUse()
	stop()
	return heapAfter - heap, stackAfter - stack
}

// HeldByTCP returns the heap that n TCP connections use, both ends of each, for comparison.
func HeldByTCP(t *testing.T, n int) int {
	heap, _ := HeldApart(func() (stop func()) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var conns []net.Conn
		for range n {
			near, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			far, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, near, far)
		}
		return func() {
			for _, nc := range conns {
				_ = nc.Close()
			}
			_ = ln.Close()
		}
	})
	return heap
}
