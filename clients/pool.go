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
)

// Errors of a [Pool].
var (
	// ErrPoolClosed means that the pool has been shut down. It is net.ErrClosed too.
	ErrPoolClosed error = &poolClosed{}

	// ErrPoolBusy means that all values are in use and as many callers wait for one as may.
	ErrPoolBusy = errors.New("clients: all of the pool is in use, and as many wait for it as may")
)

// poolClosed is [ErrPoolClosed].
type poolClosed struct{}

func (*poolClosed) Error() string { return "clients: the pool is closed" }
func (*poolClosed) Unwrap() error { return net.ErrClosed }

// PoolConfig says how a [Pool] behaves. The zero value, and nil, mean the defaults.
type PoolConfig[T any] struct {
	// MaxOpen is how many values there may be at once: in use, idle, and being opened or closed. 0 means 8.
	MaxOpen int

	// MaxIdle is how many are kept for later when nobody wants them. 0 means MaxOpen, negative none.
	MaxIdle int

	// MinIdle is how many values are kept idle for callers to come, as far as MaxOpen permits: they are opened ahead, in
	// goroutines of the Pool. Where that fails it is tried again after a second. At most MaxIdle. 0 means none.
	MinIdle int

	// MaxWaiters is how many callers may wait for a value. 0 means 1,024, negative that none may.
	MaxWaiters int

	// IdleTimeout is how long a value is kept that nobody wants. 0 means 90 s, negative for ever.
	IdleTimeout time.Duration

	// MaxLifetime is how long after it was opened a value is given out at most, less a random part of up to a tenth, so that
	// those opened together do not end together. One in use is not interrupted. 0 means for ever.
	MaxLifetime time.Duration

	// Check, if not nil, is called before a value is used again, in the goroutine that asked for one. If it fails the
	// value is closed and another one taken. It heeds its ctx, the caller's; when that ends, the value is closed too.
	Check func(ctx context.Context, v T) error

	// CheckAfter is how long a value has been idle at least that is checked. 0 means that all are.
	CheckAfter time.Duration
}

// Pool holds values that are costly to make and used by one caller at a time: connections of request/response
// protocols.
//
// Values are opened when somebody wants one, in that caller's goroutine and by its ctx. The one that was returned last
// is used again first, so that those not needed at quiet times grow old. Callers who wait are served in the order in
// which they came. A Pool has no goroutine of its own but those that open ahead for MinIdle, for which Shutdown waits; a
// timer closes what has been idle for too long. Its methods are for any goroutine at any time.
type Pool[T any] struct {
	opener func(context.Context) (T, error)
	closer func(T)
	cfg    PoolConfig[T]
	ctx    context.Context // of the pool: ends with Shutdown
	end    context.CancelCauseFunc

	mu      sync.Mutex
	idle    []*pooled[T] // the latest last
	waiters list.List    // of *waiter[T]; there are none while a value is idle or may be opened
	open    int          // values and permits to open one
	inUse   int
	closed  bool
	drained chan struct{} // closed when open is 0 for good
	timer   *time.Timer
	wake    time.Time // when the timer fires; zero: it does not
	stats   PoolStats

	filling int            // values being opened ahead
	fills   sync.WaitGroup // those goroutines
	refill  *time.Timer    // tries again; nil if it never failed

	panicked *chanio.PanicError // in the goroutine of the timer
}

// pooled is a value and its history.
type pooled[T any] struct {
	v          T
	born, back time.Time
	lifetime   time.Duration // 0: for ever
}

// NewPool returns a Pool of what open makes. open heeds its ctx. closer ends a value, in the goroutine that finds
// that its time has come, so it does not block for long: for a [chanio.Conn] that nobody uses, Out.Abort is right. cfg
// may be nil.
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

// NewConnPool is [NewPool] for connections: those that nobody needs are aborted, and Check, if it is nil, is [CheckIdle],
// so that a connection that the peer has closed meanwhile is not given out.
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
	return NewPool(open, func(c *chanio.Conn) { c.Abort(nil) }, &c)
}

// Get returns a value for the caller's use, who calls [Lease.Release] when done with it. It takes one that is idle and
// healthy, or opens one, or waits for either. If ctx ends first Get returns its cause, and whatever it had got hold of
// goes to the next in line. The error may also be that of opening, [ErrPoolBusy] or [ErrPoolClosed].
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

// Do calls f with a value and returns what it returned. The value is dropped if f fails or panics. An f that fails for
// reasons that say nothing about the value returns nil and tells its caller otherwise.
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

// Shutdown refuses further callers and those who wait, closes what is idle, and waits until the rest has been released
// and closed. If ctx ends first it returns an error that wraps its cause; what is released later is closed then. An
// opening under way is cancelled. It may be called more than once. If closing an idle value has panicked meanwhile,
// Shutdown returns that.
func (p *Pool[T]) Shutdown(ctx context.Context) error {
	p.end(ErrPoolClosed)
	for _, e := range p.stop() {
		p.discard(e)
	}
	select {
	case <-p.drained:
		p.fills.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.panicked != nil {
			return p.panicked
		}
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Errorf("clients: shutdown of a pool: %d of its values have not been released: %w",
			p.open, chanio.Cause(ctx))
	}
}

// stop makes the pool closed and returns what is idle.
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

// Close is [Pool.Shutdown] with 5 s ([chanio.DefaultLinger]) to release what is in use; later it returns an error that
// is os.ErrDeadlineExceeded.
func (p *Pool[T]) Close() error {
	late := fmt.Errorf("not within %v: %w", chanio.DefaultLinger, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(context.Background(), chanio.DefaultLinger, late)
	defer cancel()
	return p.Shutdown(ctx)
}
