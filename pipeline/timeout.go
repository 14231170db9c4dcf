package pipeline

import (
	"context"
	"os"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Timeout ends the stream and closes src when a receiver has waited for the next value for the duration idle. The error
// matches os.ErrDeadlineExceeded and is a net.Error with Timeout. Time without a receiver does not count; the
// time of cancelled calls does. Timeout works in the receiver's goroutine.
func Timeout[T any](src *chanio.Source[T], idle time.Duration) *chanio.Source[T] {
	atLeast("Timeout", "idle", idle, 1)
	t := &timeout[T]{up: src.Claim("pipeline.Timeout"), idle: idle}
	h := pass(t.up, timed(t.up, &t.alarm, t.pull))
	h.AtHand = func(dst []T) []T {
		before := len(dst)
		if dst = t.up.AtHand(dst); len(dst) > before {
			t.waited = 0
		}
		return dst
	}
	return chanio.NewSource(h)
}

type timeout[T any] struct {
	up     chanio.Upstream[T]
	idle   time.Duration
	waited time.Duration // for the next value, in earlier calls
	alarm  alarm
}

func (t *timeout[T]) pull(ctx context.Context) (v T, ok bool, err error) {
	began := time.Now()
	due := began.Add(t.idle - t.waited)
	for {
		v, ok, err = await(ctx, &t.alarm, due, t.up)
		switch {
		case ok:
			t.waited = 0
		case err == nil && ctx != nil && time.Now().Before(due):
			continue
		case err == nil && ctx != nil:
			_ = t.up.Close() // err is returned instead
			err = &idleError{t.idle}
		case resumable(ctx, err):
			t.waited += time.Since(began)
		}
		return v, ok, err
	}
}

// idleError is the error of a stream that Timeout ended.
type idleError struct{ idle time.Duration }

func (e *idleError) Error() string   { return "pipeline: no value for " + e.idle.String() }
func (e *idleError) Timeout() bool   { return true }
func (e *idleError) Temporary() bool { return true }
func (e *idleError) Unwrap() error   { return os.ErrDeadlineExceeded }
