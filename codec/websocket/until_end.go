package websocket

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// untilEnd is a context that ends with end, too. Until something asks for Done it registers nothing: most messages are
// written without a wait.
type untilEnd struct {
	context.Context
	end *chanio.End

	once   sync.Once
	merged atomic.Pointer[merged] // made by Done
}

// merged is the context that a wait uses. forget removes it from the end's functions.
type merged struct {
	context.Context
	cancel context.CancelFunc
	forget func() bool
}

// Done implements context.Context.
func (u *untilEnd) Done() <-chan struct{} {
	u.once.Do(func() {
		ctx, cancel := context.WithCancel(u.Context)
		if !u.end.Open() {
			cancel()
		}
		u.merged.Store(&merged{ctx, cancel, u.end.OnDone(cancel)})
	})
	return u.merged.Load().Done()
}

// Err implements context.Context.
func (u *untilEnd) Err() error {
	if m := u.merged.Load(); m != nil {
		return m.Err()
	}
	if err := u.Context.Err(); err != nil {
		return err
	}
	if !u.end.Open() {
		return context.Canceled
	}
	return nil
}

// release ends the context if Done was called. No other goroutine may use it any more.
func (u *untilEnd) release() {
	if m := u.merged.Load(); m != nil {
		m.cancel()
		m.forget()
	}
}
