package httpc

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/guard"
)

// aside is a body whose Read takes no ctx, such as one that is decoded or that middleware has wrapped. It is read in a
// goroutine, so that a receiver whose ctx ends can leave. The next receiver gets the result of that Read.
type aside struct {
	up      chanio.Upstream[[]byte]
	pending chan received // the result of the Read in progress, or nil

	hold  time.Duration // how long a Read that was left may hold the connection
	timer *time.Timer   // of hold, or nil
	held  atomic.Bool   // hold has passed
}

type received struct {
	p   []byte
	err error
}

// asideSource returns the bytes of r, which ends with a call of closed. That call must interrupt a Read.
func asideSource(r io.Reader, closed func() error, hold time.Duration) *chanio.Source[[]byte] {
	a := &aside{up: chanio.FromReader(r, closed).Claim("httpc.Response"), hold: hold}
	return chanio.NewSource(chanio.SourceHooks[[]byte]{Next: a.next, Close: a.up.Close})
}

func (a *aside) next(ctx context.Context) ([]byte, error) {
	switch {
	case a.pending != nil:
		if a.timer != nil {
			a.timer.Stop()
		}
	case ctx.Done() == nil:
		return a.up.Next(ctx)
	default:
		a.pending = make(chan received, 1)
		go a.read(a.pending) // ends with the Read, which Close and the end of the request interrupt
	}
	select {
	case got := <-a.pending:
		a.pending = nil
		if got.err != nil && a.held.Load() {
			got.err = ErrHeld
		}
		return got.p, got.err
	case <-ctx.Done():
		if a.hold > 0 {
			a.timer = time.AfterFunc(a.hold, a.neglected)
		}
		return nil, chanio.Cause(ctx)
	}
}

// read reads once.
func (a *aside) read(result chan<- received) {
	var got received
	returned := false
	defer func() {
		if !returned { // a user's Coding or body has panicked
			got.err = chanio.Recovered(recover())
			_ = guard.Call(func() { _ = a.up.Close() })
		}
		result <- got
	}()
	got.p, got.err = a.up.Next(context.Background())
	returned = true
}

// neglected is called by the timer.
func (a *aside) neglected() {
	a.held.Store(true)
	_ = guard.Call(func() { _ = a.up.Close() })
}
