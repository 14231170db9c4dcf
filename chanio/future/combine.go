package future

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// Then returns a Future of the result of fn for the value of f. If f fails, the new Future fails with the same error
// and fn is not called. A panic in fn fails it with a [*chanio.PanicError].
//
// fn runs in the goroutine that completes f, or in the caller's if f is complete, so it must not block; use [Go] for work
// that blocks. If the new Future is completed before f, fn is not called. Cancelling the new Future does not affect f.
func Then[A, B any](f *Future[A], fn func(A) (B, error)) *Future[B] {
	out := new(Future[B])
	out.whenOver(f.whenOver(func() {
		v, _, err := f.outcome()
		if err != nil {
			out.Fail(err)
		} else if _, over, _ := out.outcome(); !over {
			out.from(func() (B, error) { return fn(v) })
		}
	}))
	return out
}

// All returns a Future of the values of all fs, in order. It fails with the first failure, even while others are
// pending; those are not cancelled. Without fs it has an empty value at once.
func All[T any](fs ...*Future[T]) *Future[[]T] {
	out := new(Future[[]T])
	values := make([]T, len(fs))
	var missing atomic.Int64
	missing.Store(int64(len(fs)))
	if len(fs) == 0 {
		out.Complete(values)
	}
	for i, f := range fs {
		out.whenOver(f.whenOver(func() {
			v, _, err := f.outcome()
			if err != nil {
				out.Fail(err)
				return
			}
			values[i] = v
			if missing.Add(-1) == 0 {
				out.Complete(values)
			}
		}))
	}
	return out
}

// Any returns a Future of the first value among fs. It fails only if all fail, with their errors joined in the order of
// fs; without fs it fails at once. The other Futures are not cancelled: give their work a ctx to cancel, or use
// [chanio.Race].
func Any[T any](fs ...*Future[T]) *Future[T] {
	out := new(Future[T])
	errs := make([]error, len(fs))
	var pending atomic.Int64
	pending.Store(int64(len(fs)))
	if len(fs) == 0 {
		out.Fail(errors.New("future: Any: no futures"))
	}
	for i, f := range fs {
		out.whenOver(f.whenOver(func() {
			v, _, err := f.outcome()
			if err == nil {
				out.Complete(v)
				return
			}
			errs[i] = err
			if pending.Add(-1) == 0 {
				out.Fail(errors.Join(errs...))
			}
		}))
	}
	return out
}

// WithTimeout returns a Future with the result of f or, if f is still pending after d, an error that matches
// os.ErrDeadlineExceeded. f itself continues; to bound the work of [Go], give it a ctx that ends, or fail its Future. The
// timer is stopped if f completes first.
func (f *Future[T]) WithTimeout(d time.Duration) *Future[T] {
	out := new(Future[T])
	out.whenOver(f.whenOver(func() {
		v, _, err := f.outcome()
		out.settle(v, err)
	}))
	if _, over, _ := out.outcome(); over {
		return out
	}
	timer := time.AfterFunc(d, func() { out.Fail(fmt.Errorf("future: no value within %v: %w", d, os.ErrDeadlineExceeded)) })
	out.whenOver(func() { timer.Stop() })
	return out
}
