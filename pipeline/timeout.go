package pipeline

import (
	"context"
	"os"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Timeout ends the stream with an error that is os.ErrDeadlineExceeded, and a net.Error with Timeout, when a receiver
// has waited for the next value for idle, and closes src. Time in which nobody receives does not count; that of calls
// which a cancel ended does. It works in the goroutine of the receiver.
func Timeout[T any](src *chanio.Source[T], idle time.Duration) *chanio.Source[T] {
	atLeast("Timeout", "idle", idle, 1)
	t := &timeout[T]{up: src.Claim("pipeline.Timeout"), idle: idle}
	h := pass(t.up, t.pull)
	h.Close = closing(t.up, &t.alarm)
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
	waited time.Duration // for the next value, in calls before this one
	alarm  alarm
}

func (t *timeout[T]) pull(ctx context.Context) (none T, ok bool, err error) {
	began := time.Now()
	due := began.Add(t.idle - t.waited)
	for {
		bound := ctx
		if ctx != nil {
			bound = t.alarm.until(ctx, due)
		}
		v, ok, err := take(bound, t.up)
		if ok {
			t.waited = 0
			return v, true, nil
		}
		if err == nil {
			return none, false, nil
		}
		if rang(ctx, err) {
			if time.Now().Before(due) {
				continue
			}
			err = &idleError{t.idle}
		} else if of := interrupted(ctx, err); of != nil {
			t.waited += time.Since(began)
			return none, false, of
		}
		t.alarm.stop()
		_ = t.up.Close() // err is what matters
		return none, false, err
	}
}

// idleError is the end that Timeout makes.
type idleError struct{ idle time.Duration }

func (e *idleError) Error() string   { return "pipeline: no value for " + e.idle.String() }
func (e *idleError) Timeout() bool   { return true }
func (e *idleError) Temporary() bool { return true }
func (e *idleError) Unwrap() error   { return os.ErrDeadlineExceeded }
