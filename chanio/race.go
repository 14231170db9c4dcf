package chanio

import (
	"context"
	"sync"
)

// Race runs all fns concurrently, each in its own goroutine. When the first returns, Race cancels the ctx of the
// others. When all have returned, Race returns the result of the first, even if nil. Without functions it returns nil.
//
// A function that panics or calls runtime.Goexit counts as returning a [*PanicError], which Race returns even if
// another function returned first. No goroutine outlives the call, so a function that ignores its ctx delays Race; so
// does a loop of [Sink.Send] that always finds room.
//
// Use Race in a handler that reads and writes concurrently, such as a chat, where the end of either direction ends the
// other. In a proxy each direction ends independently: use [Relay].
func Race(ctx context.Context, fns ...func(context.Context) error) error {
	if len(fns) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		first  = true
		won    error       // what the first returned
		broken *PanicError // of any of them
	)
	for _, fn := range fns {
		all.Add(1)
		go guard(func() error { return fn(ctx) }, func(err error, panicked *PanicError) {
			defer all.Done()
			mu.Lock()
			defer mu.Unlock()
			if broken == nil {
				broken = panicked
			}
			if first {
				first, won = false, err
				cancel()
			}
		})
	}
	all.Wait()
	if broken != nil {
		return broken
	}
	return won
}

// guard calls f, then done with the result. A panic or runtime.Goexit in f is passed on as a *PanicError.
func guard(f func() error, done func(err error, panicked *PanicError)) {
	var err error
	var panicked *PanicError
	defer func() { done(err, panicked) }()
	contain(func() { err = f() }, func(v any) {
		panicked = Recovered(v)
		err = panicked
	})
}

// contain calls f. If f does not return, it calls broken with the value of the panic, or nil after runtime.Goexit. A
// panic does not propagate.
func contain(f func(), broken func(v any)) {
	returned := false
	defer func() {
		if !returned {
			broken(recover())
		}
	}()
	f()
	returned = true
}
