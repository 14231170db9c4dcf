package clients

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/guard"
)

// Errors of a [Pool].
var (
	// ErrPoolClosed means that the pool has been shut down. It matches net.ErrClosed.
	ErrPoolClosed error = &poolClosed{}

	// ErrPoolBusy means that all values are in use and MaxWaiters callers are waiting for one.
	ErrPoolBusy = errors.New("clients: the pool is exhausted, and the maximum number of callers is waiting")
)

// poolClosed is the type of [ErrPoolClosed].
type poolClosed struct{}

func (*poolClosed) Error() string { return "clients: the pool is closed" }
func (*poolClosed) Unwrap() error { return net.ErrClosed }

// PoolConfig configures a [Pool]. A nil *PoolConfig and the zero value use the defaults.
type PoolConfig[T any] struct {
	// MaxOpen limits the number of values: in use, idle, and being opened or closed. 0 means 8.
	MaxOpen int

	// MaxIdle limits the number of idle values that are kept. 0 means MaxOpen; negative means none.
	MaxIdle int

	// MinIdle is the number of idle values to keep ready, as far as MaxOpen permits. Goroutines of the Pool open them
	// in advance, and retry a failure after a second. It is at most MaxIdle. 0 means none.
	MinIdle int

	// MaxWaiters limits the number of callers that wait for a value. 0 means 1,024; negative means that none may wait.
	MaxWaiters int

	// IdleTimeout is how long an idle value is kept. 0 means 90 s; negative means without limit.
	IdleTimeout time.Duration

	// MaxLifetime is the age from which a value is no longer lent, less a random part of up to a tenth, so that values
	// opened together do not expire together. A value in use is not interrupted. 0 means no limit.
	MaxLifetime time.Duration

	// Check, if not nil, is called before a value is reused, in the goroutine of the caller that asked for one. If it
	// fails, the value is closed and another one is used. It must respect its ctx, the caller's; when that ends, the
	// value is closed too.
	Check func(ctx context.Context, v T) error

	// CheckAfter is the idle time from which a value is checked. 0 means that every value is checked.
	CheckAfter time.Duration
}

// Pool holds values that are costly to open and used by one caller at a time, such as connections of request/response
// protocols.
//
// A value is opened when a caller needs one, in the caller's goroutine and with its ctx. The value released last is
// reused first, so that surplus values expire when demand is low. Waiting callers are served in order. A Pool starts
// goroutines only to open values for MinIdle, and Shutdown waits for those; a timer closes values that have been idle
// too long. The methods are safe for concurrent use.
type Pool[T any] struct {
	opener func(context.Context) (T, error)
	closer func(T)
	reset  func(T) // called with a value that is returned, or nil
	cfg    PoolConfig[T]
	ctx    context.Context // ends with Shutdown
	end    context.CancelCauseFunc

	mu      sync.Mutex
	idle    []*pooled[T] // most recently used last
	waiters list.List    // of *waiter[T]; empty while a value is idle or may be opened
	open    int          // values, and permits to open one
	inUse   int
	closed  bool
	drained chan struct{} // closed when open is 0 and stays so
	timer   *time.Timer
	wake    time.Time // when the timer fires; zero if it is not armed
	stats   PoolStats

	filling int            // values being opened in advance
	fills   sync.WaitGroup // the goroutines that open them
	refill  *time.Timer    // fires after a failure; nil if there was none
	again   time.Time      // nothing is opened in advance before this time

	panicked error // of the closer of an idle value
}

// pooled is a value and its history.
type pooled[T any] struct {
	v          T
	born, back time.Time
	lifetime   time.Duration // 0: no limit
}

// NewPool returns a Pool of the values that open returns. open must respect its ctx and bound its own time: for MinIdle,
// its ctx ends only with the Pool. closer closes a value, in the goroutine that finds it expired or broken, so it must
// not block for long: for an unused [chanio.Conn], call Out.Abort. cfg may be nil.
func NewPool[T any](open func(ctx context.Context) (T, error), closer func(T), cfg *PoolConfig[T]) *Pool[T] {
	if open == nil || closer == nil {
		panic("clients: NewPool: needs a function to open and one to close")
	}
	p := &Pool[T]{opener: open, closer: closer, drained: make(chan struct{})}
	if cfg != nil {
		p.cfg = *cfg
	}
	if p.cfg.MaxOpen < 0 || p.cfg.MaxLifetime < 0 || p.cfg.CheckAfter < 0 {
		panic(fmt.Sprintf("clients: NewPool: MaxOpen, MaxLifetime and CheckAfter must be at least 0, got %d, %v and %v",
			p.cfg.MaxOpen, p.cfg.MaxLifetime, p.cfg.CheckAfter))
	}
	p.cfg.MaxOpen = cmp.Or(p.cfg.MaxOpen, 8)
	p.cfg.MaxIdle = max(cmp.Or(p.cfg.MaxIdle, p.cfg.MaxOpen), 0)
	p.cfg.MaxWaiters = max(cmp.Or(p.cfg.MaxWaiters, 1024), 0)
	p.cfg.IdleTimeout = max(cmp.Or(p.cfg.IdleTimeout, 90*time.Second), 0)
	if p.cfg.MinIdle < 0 || p.cfg.MinIdle > p.cfg.MaxIdle {
		panic(fmt.Sprintf("clients: NewPool: MinIdle must be at least 0 and at most MaxIdle, %d, got %d", p.cfg.MaxIdle, p.cfg.MinIdle))
	}
	p.ctx, p.end = context.WithCancelCause(context.Background())
	p.openAhead()
	return p
}

// NewConnPool is [NewPool] for connections. It aborts those no longer needed. A nil Check means [CheckIdle], so that a
// connection closed by the peer is not handed out. Deadlines that the last caller set are removed.
func NewConnPool(dial func(ctx context.Context) (*chanio.Conn, error), cfg *PoolConfig[*chanio.Conn]) *Pool[*chanio.Conn] {
	c := PoolConfig[*chanio.Conn]{}
	if cfg != nil {
		c = *cfg
	}
	if c.Check == nil {
		c.Check = CheckIdle
	}
	if dial == nil {
		panic("clients: NewConnPool: needs a function to dial")
	}
	open := func(ctx context.Context) (*chanio.Conn, error) { return notNil(dial(ctx)) }
	p := NewPool(open, func(c *chanio.Conn) { c.Abort(nil) }, &c)
	p.reset = func(c *chanio.Conn) {
		_ = guard.Call(func() { // c may be user code
			_, _ = c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})
		})
	}
	return p
}

// Get returns a value for the caller's use. The caller must call [Lease.Release] when done. Get takes an idle, healthy
// value, or opens one, or waits for either. If ctx ends first, Get returns its cause, and a value that it had obtained
// goes to the next waiter. The error may also be that of opening, [ErrPoolBusy] or [ErrPoolClosed].
func (p *Pool[T]) Get(ctx context.Context) (*Lease[T], error) {
	if ctx.Err() != nil {
		return nil, chanio.Cause(ctx)
	}
	e, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	for e != nil {
		healthy, err := p.healthy(ctx, e)
		if err != nil {
			return nil, err
		}
		if healthy {
			return p.lease(e), nil
		}
		e = p.next()
	}
	return p.openOne(ctx)
}

// Do calls f with a value and returns its error. If f fails or panics, the value is closed. An f whose failure says
// nothing about the value should return nil and report the failure by other means.
func (p *Pool[T]) Do(ctx context.Context, f func(ctx context.Context, v T) error) error {
	l, err := p.Get(ctx)
	if err != nil {
		return err
	}
	sound := false
	defer func() {
		if !sound {
			l.Broken()
		}
		l.Release()
	}()
	err = f(ctx, l.Value())
	sound = err == nil
	return err
}

// Shutdown rejects new and waiting callers, closes idle values, cancels opening, and waits until values in use have
// been released and closed. If ctx ends first, it returns an error that wraps its cause; values released later are
// closed then. Shutdown may be called several times. If closing an idle value has panicked, Shutdown returns that.
func (p *Pool[T]) Shutdown(ctx context.Context) error {
	p.end(ErrPoolClosed)
	for _, e := range p.stop() {
		p.discardSafely(e)
	}
	select {
	case <-p.drained:
	case <-ctx.Done():
	}
	if deadline.Ended(p.drained) { // even if ctx has ended too
		p.fills.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.panicked
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Errorf("clients: shutdown of a pool: %d of its values have not been released: %w",
		p.open, chanio.Cause(ctx))
}

// stop closes the pool for callers and returns the idle values.
func (p *Pool[T]) stop() []*pooled[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	for p.grant(grant[T]{err: ErrPoolClosed}) {
	}
	if p.open == 0 {
		close(p.drained)
	}
	for _, t := range []*time.Timer{p.timer, p.refill} {
		if t != nil {
			t.Stop()
		}
	}
	idle := p.idle
	p.idle = nil
	return idle
}

// Close is [Pool.Shutdown] with a timeout of 5 s ([chanio.DefaultLinger]) for values in use; after that it returns an
// error that matches os.ErrDeadlineExceeded.
func (p *Pool[T]) Close() error {
	late := fmt.Errorf("not within %v: %w", chanio.DefaultLinger, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(context.Background(), chanio.DefaultLinger, late)
	defer cancel()
	return p.Shutdown(ctx)
}
