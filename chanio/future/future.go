// Package future has a channel of one value that remembers it: a result that comes once, for any number of goroutines that
// await it.
//
//	f := future.Go(ctx, func(ctx context.Context) (int, error) { return ask(ctx) })
//	// ... something else meanwhile
//	answer, err := f.Await(ctx)
//
// Then, All and Any make one Future of others.
package future

import (
	"context"
	"slices"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// Future is a value that comes once, or the reason why it does not come: a channel of one that remembers. The first
// Complete or Fail decides. The zero Future is ready to use and pending; it must not be copied. All of its methods are
// for any goroutine at any time.
//
// A Future that somebody else is waiting for is completed early to say that its value is wanted no more; that is how
// the work of [Go] is cancelled.
type Future[T any] struct {
	mu      sync.Mutex
	over    bool
	value   T
	err     error
	done    chan struct{} // made on demand
	ch      chan T        // made on demand
	waiting []*func()     // to be called when it is over
}

// Go runs fn in a goroutine and returns its result as a Future. A panic in fn, or a runtime.Goexit, fails the Future
// with a [*chanio.PanicError].
//
// The ctx of fn ends with ctx, and when the Future has been completed: failing it from outside, with context.Canceled
// for instance, tells fn to stop, and what fn returns then is dropped. The goroutine ends when fn returns, which is all
// that bounds it.
func Go[T any](ctx context.Context, fn func(context.Context) (T, error)) *Future[T] {
	f := new(Future[T])
	ctx, cancel := context.WithCancel(ctx)
	f.whenOver(cancel)
	go f.from(func() (T, error) { return fn(ctx) })
	return f
}

// Complete gives the Future its value and reports whether it did: it is false if the Future was over already. What
// waits for the Future by [Then], [All] and [Any] runs before Complete returns.
func (f *Future[T]) Complete(v T) bool { return f.settle(v, nil) }

// Fail gives the Future err in the place of a value and reports whether it did; otherwise it is like Complete.
func (f *Future[T]) Fail(err error) bool {
	if err == nil {
		panic("future: Fail: err is nil")
	}
	var none T
	return f.settle(none, err)
}

// Await waits for the value, or returns why there is none. If ctx ends first it returns the cause of ctx, which changes
// nothing about the Future; if the Future is over it does not look at ctx.
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
		return none, context.Cause(ctx)
	}
}

// Done is closed when the Future is over, in either way.
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

// C returns the Future as a channel, always the same: it yields the value and is closed, or is closed without one, and
// then Err says why. One receiver gets the value; let several use Done and Await.
func (f *Future[T]) C() <-chan T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ch == nil {
		f.ch = make(chan T, 1)
		f.fill()
	}
	return f.ch
}

// Err tells why there is no value: nil while the Future is pending and after Complete.
func (f *Future[T]) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// outcome returns how the Future ended, if it has.
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

// from settles the Future with what fn returns, also if that is a panic.
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

// fill gives the channel what it is to yield, once both are there. The caller holds f.mu.
func (f *Future[T]) fill() {
	if f.ch == nil || !f.over {
		return
	}
	if f.err == nil {
		f.ch <- f.value
	}
	close(f.ch)
}

// whenOver has fn called when the Future is over, now if it is. stop takes fn back.
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

// callAll calls fs in order, all of them also if one calls runtime.Goexit.
func callAll(fs []*func()) {
	if len(fs) > 0 {
		defer callAll(fs[1:])
		(*fs[0])()
	}
}
