package stream

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// DefaultLinger is how long a close waits for a peer that reads nothing.
const DefaultLinger = 5 * time.Second

// End is the state of one half of a stream: open, perhaps closing, then ended, once and with one error. The endpoint
// that makes the half sets its End, and every Source or Sink above shares it.
//
// All methods are for any goroutine at any time. The exported fields are set before the End is shared.
type End struct {
	// Linger is how long closing waits without progress; 0 means [DefaultLinger].
	Linger time.Duration

	// Progress, if not nil, returns a number that grows while the peer takes what was accepted. Closing waits as long
	// as it grows. Progress must not block.
	Progress func() int64

	// Released, if not nil, is closed when what lies below both halves has been released. Until then a channel of the
	// half receives and discards values, so that no bare send hangs.
	Released <-chan struct{}

	// Logger logs panics in functions registered with OnDone; nil means slog.Default.
	Logger *slog.Logger

	state atomic.Int32  // isOpen, isClosing or hasEnded
	moved atomic.Uint32 // counted by Advance; may wrap around

	mu    sync.Mutex
	err   error         // nil while it is open
	done  chan struct{} // made on demand
	calls *endCalls     // made on demand
}

// endCalls holds the functions that an End calls. Idle connections have some, so each is small.
type endCalls struct {
	onDone Funcs[func()]
	before Funcs[func(context.Context) error]
}

func (e *End) callsLocked() *endCalls {
	if e.calls == nil {
		e.calls = new(endCalls)
	}
	return e.calls
}

// States of an End. They only grow.
const (
	isOpen    = iota
	isClosing // nothing more is accepted; accepted values are still being sent
	hasEnded
)

// Open reports whether the half is neither closing nor ended.
func (e *End) Open() bool { return e.state.Load() == isOpen }

// Ended reports whether the half has ended, so that Err is final.
func (e *End) Ended() bool { return e.state.Load() == hasEnded }

// Done is closed when the half is open no more.
func (e *End) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done == nil {
		e.done = make(chan struct{})
		if !e.Open() {
			close(e.done)
		}
	}
	return e.done
}

// Err returns why the half ended: nil while it has not, and after a clean end.
func (e *End) Err() error {
	if e.Open() {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// failure returns the error of a half that has failed, and otherwise nil.
func (e *End) failure() error {
	if !e.Ended() {
		return nil
	}
	return e.Err()
}

// refusal returns why nothing is accepted any more, or nil while the half is open.
func (e *End) refusal() error {
	if e.Open() {
		return nil
	}
	if err := e.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

// BeginClose makes the half refuse more, and reports whether it was open. What was accepted is still sent. why is nil,
// or the error with which a clean end ends then.
func (e *End) BeginClose(why error) bool { return e.moveTo(isClosing, why) }

// Set ends the half with err, nil for a clean end, and reports whether it had not ended: the first end counts.
func (e *End) Set(err error) bool { return e.moveTo(hasEnded, err) }

func (e *End) moveTo(state int32, err error) bool {
	err = failed(err)
	e.mu.Lock()
	was := e.state.Load()
	if was >= state {
		e.mu.Unlock()
		return false
	}
	if err != nil {
		e.err = err
	}
	e.state.Store(state)
	var waiting []func()
	if was == isOpen {
		if e.done != nil {
			close(e.done)
		}
		if e.calls != nil {
			waiting = e.calls.onDone.All()
			e.calls.onDone = Funcs[func()]{}
		}
	}
	e.mu.Unlock()
	for _, f := range waiting {
		go e.call(f)
	}
	return true
}

// failed returns err as the error of a half, which is neither a clean end nor the error of one call. It may call methods
// of err, which may be a user's, so the lock must not be held.
func failed(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return deadline.Final(err)
}

// OnDone calls f in its own goroutine when Done is closed, like context.AfterFunc. stop removes f and reports whether
// it did so before the call. A panic or runtime.Goexit in f is logged and has no other effect.
func (e *End) OnDone(f func()) (stop func() bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.Open() {
		go e.call(f)
		return func() bool { return false }
	}
	l := e.callsLocked().onDone.Add(f)
	return func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.calls.onDone.Remove(l)
	}
}

// call runs f, of OnDone.
func (e *End) call(f func()) { LogPanic(e.Logger, "OnDone", f) }

// LogPanic calls f, which was passed to the function with the given name, and logs a panic or runtime.Goexit.
func LogPanic(log *slog.Logger, name string, f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		what := "runtime.Goexit called"
		if v := recover(); v != nil {
			what = fmt.Sprint(v)
		}
		if log == nil {
			log = slog.Default()
		}
		log.Error("chanio: panic in a function given to "+name, "panic", what, "stack", string(debug.Stack()))
	}()
	f()
	returned = true
}

// BeforeClose makes Settle call f until stop is called. A channel above a Sink uses it to pass on what it holds before
// the half is flushed or closed. f returns when it has done so, or ctx ends. A Flush or Close in f would wait for f.
func (e *End) BeforeClose(f func(ctx context.Context) error) (stop func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.callsLocked().before.Add(f)
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.calls.before.Remove(l)
	}
}

// Settle calls the functions registered with BeforeClose, one after the other, and returns the first error.
func (e *End) Settle(ctx context.Context) error {
	e.mu.Lock()
	var before []func(context.Context) error
	if e.calls != nil {
		before = e.calls.before.All()
	}
	e.mu.Unlock()
	for _, f := range before {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

// SettleAll calls e.Settle as part of a close, bounded by Lingering. It is not a method of End because package chanio
// exports that type.
func SettleAll(e *End) error {
	e.mu.Lock()
	nothing := e.calls == nil || e.calls.before.last == nil
	e.mu.Unlock()
	if nothing {
		return nil
	}
	ctx, stop := e.Lingering()
	defer stop()
	return e.Settle(ctx)
}

// lingerTicks is how often progress is checked within a Linger. Closing therefore ends up to a quarter of it late.
const lingerTicks = 4

// Lingering returns a context that bounds the work of closing: it ends, with an error that matches
// os.ErrDeadlineExceeded, once Linger has passed without progress. stop releases it.
func (e *End) Lingering() (ctx context.Context, stop func()) {
	linger := e.Linger
	if linger <= 0 {
		linger = DefaultLinger
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	var timer *time.Timer
	var mu sync.Mutex // of timer and last
	mu.Lock()
	defer mu.Unlock()
	last, idle := e.progress(), 0
	timer = time.AfterFunc(linger/lingerTicks, func() {
		now := e.progress()
		mu.Lock()
		defer mu.Unlock()
		if idle++; now != last {
			last, idle = now, 0
		}
		if idle == lingerTicks {
			cancel(&net.OpError{Op: "close", Err: &deadline.Timeout{Text: "peer took nothing for " + linger.String()}})
		} else if ctx.Err() == nil {
			timer.Reset(linger / lingerTicks)
		}
	})
	return ctx, func() {
		cancel(nil)
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
	}
}

// Advance records progress of closing that Progress does not count, such as a value passed on by a channel.
func (e *End) Advance() { e.moved.Add(1) }

func (e *End) progress() int64 {
	n := int64(e.moved.Load())
	if e.Progress != nil {
		n += e.Progress()
	}
	return n
}
