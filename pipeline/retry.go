package pipeline

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
)

// RetryConfig configures [Retry]. The zero value is the default.
type RetryConfig struct {
	// Min and Max bound the pause between two attempts. It doubles from Min to Max, and is then drawn at random from
	// its upper half, so that many clients of one server do not retry at once. After a value has been received it
	// starts with Min again. 0 means 100 ms and 30 s.
	Min, Max time.Duration

	// Attempts is how many consecutive attempts may fail without a value; the next failure ends the stream. 0 means no
	// limit.
	Attempts int

	// Permanent reports whether a failure ends the stream at once. nil means that none does.
	Permanent func(err error) bool

	// OnRetry, if not nil, is called with every failure and the pause that follows, in the receiver's goroutine.
	OnRetry func(err error, pause time.Duration)
}

// Retry yields the values of a source that it reopens when it fails. After a failure of the source or of open it waits
// and calls open again. The stream ends with the clean end of a source, with a permanent failure, or when the attempts
// are used up. Any error of open, including io.EOF, is a failed attempt. Values lost between two sources are up to
// open, which may request what follows the last value it saw.
//
// Everything happens in the receiver's goroutine. open gets its ctx, which bounds only the opening; when it ends,
// nothing is lost, and the next Recv continues. Close interrupts open at once, through its ctx. Channels of the stream
// have no capacity, because the values of a later source might have to be closed.
func Retry[T any](open func(ctx context.Context) (*chanio.Source[T], error), cfg *RetryConfig) *chanio.Source[T] {
	must(open != nil, "Retry: open is nil")
	r := &retry[T]{open: open}
	if cfg != nil {
		r.cfg = *cfg
	}
	atLeast("Retry", "Min", r.cfg.Min, 0)
	atLeast("Retry", "Max", r.cfg.Max, 0)
	atLeast("Retry", "Attempts", r.cfg.Attempts, 0)
	if r.cfg.Min == 0 {
		r.cfg.Min = 100 * time.Millisecond
	}
	if r.cfg.Max == 0 {
		r.cfg.Max = 30 * time.Second
	}
	r.cfg.Max = max(r.cfg.Max, r.cfg.Min)
	h := hooks(stopping(&r.alarm, r.pull), r.close, nil)
	h.AtHand, h.Undelivered, h.KeepUntaken, h.Describe = r.atHand, r.inner.drop, true, r.describe
	return chanio.NewSource(h)
}

type retry[T any] struct {
	open  func(ctx context.Context) (*chanio.Source[T], error)
	cfg   RetryConfig
	inner inner[T]
	alarm alarm

	failed  int       // attempts in a row
	notSoon time.Time // when to try again
}

func (r *retry[T]) pull(ctx context.Context) (v T, ok bool, err error) {
	for {
		if !r.inner.open {
			if ctx == nil {
				return v, false, nil
			}
			if err := r.reopen(ctx); err != nil {
				return v, false, err
			}
			continue
		}
		if v, ok, err = take(ctx, *r.inner.up); ok {
			r.failed = 0
		}
		if err == nil || err == io.EOF || resumable(ctx, err) {
			return v, ok, err
		}
		if ctx == nil { // the upstream repeats its failure
			return v, false, nil
		}
		r.inner.open = false
		if err := r.failure(err); err != nil {
			return v, false, err
		}
	}
}

// reopen waits for its turn and opens a source. A failed attempt is an error only if it was the last one allowed. Close
// makes reopen return and closes a source that was opened meanwhile.
func (r *retry[T]) reopen(ctx context.Context) error {
	if err := r.alarm.sleep(ctx, r.notSoon); err != nil {
		return err
	}
	src, err := r.open(r.alarm.until(ctx, time.Time{}))
	switch {
	case err == nil:
		return r.inner.set(src, "Retry")
	case ctx.Err() != nil:
		return chanio.Cause(ctx)
	}
	return r.failure(err)
}

func (r *retry[T]) atHand(dst []T) []T {
	before := len(dst)
	if dst = r.inner.atHand(dst); len(dst) > before {
		r.failed = 0
	}
	return dst
}

// failure decides what follows err: the end of the stream, or a pause.
func (r *retry[T]) failure(err error) error {
	if r.alarm.isStopped() {
		return net.ErrClosed
	}
	r.failed++
	if r.cfg.Permanent != nil && r.cfg.Permanent(err) || r.cfg.Attempts > 0 && r.failed > r.cfg.Attempts {
		if err == io.EOF {
			return io.ErrUnexpectedEOF // open failed; this is not a clean end
		}
		return final(err)
	}
	pause := r.pause()
	r.notSoon = time.Now().Add(pause)
	if r.cfg.OnRetry != nil {
		r.cfg.OnRetry(err, pause)
	}
	return nil
}

// pause returns how long to wait after the failures so far.
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
	r.alarm.stop()
	return r.inner.close()
}

func (r *retry[T]) describe() chanio.Description {
	if up := r.inner.present(); up != nil {
		return describe(up.Describe())
	}
	return chanio.Description{Kind: "pipeline.Retry"}
}
