package pipeline

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// RetryConfig tells how [Retry] goes about it. The zero value is the default.
type RetryConfig struct {
	// Min and Max bound the pause between two attempts. It doubles from the first to the second, and is then drawn at
	// random from its upper half, so that many clients of one server do not come back at once. A value that arrives
	// begins anew with Min. 0 means 100 ms and 30 s.
	Min, Max time.Duration

	// Attempts is how many attempts in a row may fail without a value between them; the next failure ends the
	// stream. 0 means no bound.
	Attempts int

	// Permanent tells which failures end the stream at once; nil: none.
	Permanent func(err error) bool

	// OnRetry, if not nil, is told of every failure and the pause that follows, in the goroutine of the receiver.
	OnRetry func(err error, pause time.Duration)
}

// Retry is a stream that survives its source: when that fails, or cannot be opened, it is opened again after a pause.
// Its end comes with the clean end of a source, a failure that is permanent, or one attempt too many. Values that were
// lost between two sources are the affair of open, which can ask for what follows the last one it saw.
//
// Everything happens in the goroutine of the receiver: open gets its ctx, which bounds only the opening. When that
// ends, nothing is lost, and the next Recv goes on where this one stopped. Close ends an open at once, through its ctx.
func Retry[T any](open func(ctx context.Context) (*chanio.Source[T], error), cfg *RetryConfig) *chanio.Source[T] {
	r := &retry[T]{open: open, sleep: newSleeper()}
	if cfg != nil {
		r.cfg = *cfg
	}
	atLeast("Min", r.cfg.Min, 0)
	atLeast("Max", r.cfg.Max, 0)
	atLeast("Attempts", r.cfg.Attempts, 0)
	if r.cfg.Min == 0 {
		r.cfg.Min = 100 * time.Millisecond
	}
	if r.cfg.Max == 0 {
		r.cfg.Max = 30 * time.Second
	}
	r.cfg.Max = max(r.cfg.Max, r.cfg.Min)
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: r.next, Close: r.close, Describe: r.describe,
	})
}

type retry[T any] struct {
	open func(ctx context.Context) (*chanio.Source[T], error)
	cfg  RetryConfig

	failed  int       // attempts in a row
	notSoon time.Time // when to try again
	sleep   *sleeper

	mu     sync.Mutex // for close, which runs beside next
	up     *chanio.Upstream[T]
	cancel context.CancelCauseFunc // of the opening of one
	closed bool
}

func (r *retry[T]) next(ctx context.Context) (none T, err error) {
	for {
		v, err := r.try(ctx)
		switch {
		case err == nil:
			r.failed = 0
			return v, nil
		case err == io.EOF || isEndOf(ctx, err) || isClosed(r.sleep.closed):
			return none, err
		}
		if err := r.failure(err); err != nil {
			return none, err
		}
	}
}

// try takes a value from the source at hand, which it opens if need be.
func (r *retry[T]) try(ctx context.Context) (none T, err error) {
	if r.up == nil {
		if err := r.sleep.sleep(ctx, r.notSoon); err != nil {
			return none, err
		}
		if err := r.reopen(ctx); err != nil {
			return none, err
		}
	}
	return r.up.Next(ctx)
}

// reopen opens a source. Close makes it return, and closes what was opened all the same.
func (r *retry[T]) reopen(ctx context.Context) error {
	opening, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := r.enter(nil, cancel); err != nil {
		return err
	}
	src, err := r.open(opening)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	up := src.Claim("pipeline.Retry")
	return r.enter(&up, nil)
}

// enter makes up the source at hand, or else cancel what ends the opening of one.
func (r *retry[T]) enter(up *chanio.Upstream[T], cancel context.CancelCauseFunc) error {
	r.mu.Lock()
	r.up, r.cancel = up, cancel
	closed := r.closed
	r.mu.Unlock()
	if !closed {
		return nil
	}
	if up != nil {
		_ = up.Close()
	}
	return net.ErrClosed
}

// failure decides what follows err: an error that ends the stream, or a pause.
func (r *retry[T]) failure(err error) error {
	_ = r.enter(nil, nil)
	r.failed++
	if r.cfg.Permanent != nil && r.cfg.Permanent(err) || r.cfg.Attempts > 0 && r.failed > r.cfg.Attempts {
		return err
	}
	pause := r.pause()
	r.notSoon = time.Now().Add(pause)
	if r.cfg.OnRetry != nil {
		r.cfg.OnRetry(err, pause)
	}
	return nil
}

// pause is how long to wait after so many failures.
func (r *retry[T]) pause() time.Duration {
	d := r.cfg.Min
	for range r.failed - 1 {
		if d *= 2; d >= r.cfg.Max || d <= 0 {
			d = r.cfg.Max
			break
		}
	}
	return d/2 + rand.N(d/2+1)
}

func (r *retry[T]) close() error {
	r.mu.Lock()
	r.closed = true
	up, cancel := r.up, r.cancel
	r.mu.Unlock()
	r.sleep.wake()
	if cancel != nil {
		cancel(net.ErrClosed)
	}
	if up == nil {
		return nil
	}
	return up.Close()
}

func (r *retry[T]) describe() chanio.Description {
	r.mu.Lock()
	up := r.up
	r.mu.Unlock()
	if up == nil {
		return chanio.Description{Kind: "pipeline.Retry"}
	}
	return describe(up.Describe())
}
