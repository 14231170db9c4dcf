package chaniotest

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// call is a function that runs in its own goroutine, because it may block.
type call[V any] struct {
	id       uint64
	returned chan struct{}
	v        V
	panicked any
	stack    []byte
}

// start calls f in a goroutine. wait reports a panic of f.
func start[V any](f func() V) *call[V] {
	c := &call[V]{returned: make(chan struct{})}
	started := make(chan struct{})
	go func() {
		defer close(c.returned)
		defer func() {
			if c.panicked = recover(); c.panicked != nil {
				c.stack = debug.Stack()
			}
		}()
		c.id = goroutineID()
		close(started)
		c.v = f()
	}()
	<-started
	return c
}

// wait waits for the call and returns its result.
func (c *call[V]) wait(t testing.TB) V {
	t.Helper()
	<-c.returned
	if c.panicked != nil {
		t.Fatalf("panic: %v\n\n%s", c.panicked, c.stack)
	}
	return c.v
}

// over reports whether the call has returned.
func (c *call[V]) over() bool {
	select {
	case <-c.returned:
		return true
	default:
		return false
	}
}

// parked returns true when the call is blocked, and false when it has returned. It looks at goroutine states and does
// not rely on time.
func (c *call[V]) parked() bool {
	for !c.over() {
		for _, g := range goroutines() {
			if g.id == c.id && g.parked() {
				return !c.over()
			}
		}
		giveWay()
	}
	return false
}

// settle returns when every goroutine that is not in the census is blocked: nothing more happens without a timer or the
// kernel. It is synctest.Wait for any process.
func (c census) settle() {
	for !c.settled() {
		giveWay()
	}
}

func (c census) settled() bool {
	for _, g := range c.newcomers() {
		if !g.parked() {
			return false
		}
	}
	return true
}

// giveWay yields to other goroutines.
func giveWay() {
	for range 10 {
		runtime.Gosched()
	}
}
