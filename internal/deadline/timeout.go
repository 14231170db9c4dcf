package deadline

import (
	"context"
	"os"
	"time"
)

// Timeout is a net.Error that matches os.ErrDeadlineExceeded.
type Timeout struct {
	Text string // what timed out

	// Call means that only one call has failed, because a deadline set on its half passed; the stream stays usable.
	// Such an error matches context.DeadlineExceeded too.
	Call bool
}

// Exceeded is the error of a call that a deadline has ended.
var Exceeded error = &Timeout{Text: "deadline exceeded", Call: true}

// Error returns Text.
func (e *Timeout) Error() string { return e.Text }

// Timeout implements net.Error. It returns true.
func (e *Timeout) Timeout() bool { return true }

// Temporary implements net.Error. It returns true.
func (e *Timeout) Temporary() bool { return true }

// Unwrap returns os.ErrDeadlineExceeded.
func (e *Timeout) Unwrap() error { return os.ErrDeadlineExceeded }

// Is makes the error of a call match that of a ctx.
func (e *Timeout) Is(target error) bool { return e.Call && target == context.DeadlineExceeded }

// Resumable reports whether only the call failed.
func (e *Timeout) Resumable() bool { return e.Call }

// In returns the time d from now, or the zero time, meaning none, if d is negative.
func In(d time.Duration) time.Time {
	if d < 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// Earlier returns the earlier of two deadlines. The zero time is no deadline.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Past is a ctx that has ended. A call with it does what it can without waiting.
var Past = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
