// Package future provides a result that becomes available once, for any number of goroutines that wait for it.
//
//	f := future.Go(ctx, func(ctx context.Context) (int, error) { return ask(ctx) })
//	// ... something else meanwhile
//	answer, err := f.Await(ctx)
//
// Then, All and Any combine Futures.
package future

import (
	"context"
	"slices"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// Future is a result that is set once: a value, or an error. The first Complete or Fail wins. The zero Future is
// pending and ready for use; it must not be copied. All methods are safe for concurrent use.
//
// To cancel the work of [Go], complete or fail its Future early.
type Future[T any] struct {
	mu      sync.Mutex
	over    bool
	value   T
	err     error
	done    chan struct{} // made on demand
	ch      chan T        // made on demand
	waiting []*func()     // to be called when it is over
}

// Go runs fn in a goroutine and returns its result as a Future. If fn panics or calls runtime.Goexit, the Future fails
// with a [*chanio.PanicError].
//
// The ctx of fn ends with ctx, and when the Future has been completed: failing the Future from outside, for instance
// with context.Canceled, tells fn to stop, and its result is dropped. The goroutine ends when fn returns.
func Go[T any](ctx context.Context, fn func(context.Context) (T, error)) *Future[T] {
	f := new(Future[T])
	ctx, cancel := context.WithCancel(ctx)
	f.whenOver(cancel)
	go f.from(func() (T, error) { return fn(ctx) })
	return f
}

// Complete sets the value and reports whether it did; it did not if the Future was complete already. Functions that
// wait for the Future by [Then], [All] and [Any] run before Complete returns.
func (f *Future[T]) Complete(v T) bool { return f.settle(v, nil) }

// Fail sets err as the result and reports whether it did. It is otherwise like Complete.
func (f *Future[T]) Fail(err error) bool {
	if err == nil {
		panic("future: Fail: err is nil")
	}
	var none T
	return f.settle(none, err)
}

// Await waits for the result and returns it. If ctx ends first, Await returns [chanio.Cause] of ctx, and the
// Future is unaffected. If the result is available, ctx is not checked.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	if v, over, err := f.outcome(); over {
		return v, err
	}
	select {
	case <-f.Done():
		v, _, err := f.outcome()
		return v, err
	case <-ctx.Done():
		if v, over, err := f.outcome(); over {
			return v, err
		}
		var none T
		return none, chanio.Cause(ctx)
	}
}

// Done returns a channel that is closed when the Future has its result, a value or an error.
func (f *Future[T]) Done() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done == nil {
		f.done = make(chan struct{})
		if f.over {
			close(f.done)
		}
	}
	return f.done
}

// C returns the Future as a channel, the same on every call. It yields the value and is closed, or is closed without
// one, and Err then returns the error. Only one receiver gets the value; use Done and Await for several.
func (f *Future[T]) C() <-chan T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ch == nil {
		f.ch = make(chan T, 1)
		f.fill()
	}
	return f.ch
}

// Err returns the error of a failed Future. It is nil while the Future is pending and after Complete.
func (f *Future[T]) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// outcome returns the result of the Future, and whether there is one yet.
func (f *Future[T]) outcome() (v T, over bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.value, f.over, f.err
}

func (f *Future[T]) settle(v T, err error) bool {
	f.mu.Lock()
	if f.over {
		f.mu.Unlock()
		return false
	}
	f.over, f.value, f.err = true, v, err
	f.fill()
	if f.done != nil {
		close(f.done)
	}
	waiting := f.waiting
	f.waiting = nil
	f.mu.Unlock()
	callAll(waiting)
	return true
}

// from settles the Future with the result of fn, which may be a panic.
func (f *Future[T]) from(fn func() (T, error)) {
	returned := false
	defer func() {
		if !returned {
			f.Fail(chanio.Recovered(recover()))
		}
	}()
	v, err := fn()
	returned = true
	if err != nil {
		f.Fail(err)
		return
	}
	f.Complete(v)
}

// fill sends the value on the channel once both exist. The caller holds f.mu.
func (f *Future[T]) fill() {
	if f.ch == nil || !f.over {
		return
	}
	if f.err == nil {
		f.ch <- f.value
	}
	close(f.ch)
}

// whenOver registers fn to be called when the Future is settled, or calls it now if it is. stop unregisters fn.
func (f *Future[T]) whenOver(fn func()) (stop func()) {
	key := &fn
	f.mu.Lock()
	over := f.over
	if !over {
		f.waiting = append(f.waiting, key)
	}
	f.mu.Unlock()
	if over {
		fn()
	}
	return func() { f.forget(key) }
}

func (f *Future[T]) forget(key *func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.waiting, key); i >= 0 {
		f.waiting = slices.Delete(f.waiting, i, i+1)
	}
}

// callAll calls all fs in order, even if one calls runtime.Goexit.
func callAll(fs []*func()) {
	if len(fs) > 0 {
		defer callAll(fs[1:])
		(*fs[0])()
	}
}
