package pipeline_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

var errBoom = errors.New("boom")

// from returns a Source of the values, which then ends with err.
func from[T any](err error, values ...T) *chanio.Source[T] {
	next := func() (v T, _ error) {
		if len(values) == 0 {
			return v, err
		}
		v, values = values[0], values[1:]
		return v, nil
	}
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: func(context.Context) (T, error) { return next() },
		TryNext: func() (T, bool, error) {
			v, err := next()
			return v, err == nil, err
		},
	})
}

func of[T any](values ...T) *chanio.Source[T] { return from(io.EOF, values...) }

// ints returns an endless Source of 0, 1, 2, ..., which does not tell that they are at hand, and looks at no ctx.
func ints() *chanio.Source[int] {
	next := -1
	return chanio.NewSource(chanio.SourceHooks[int]{Next: func(context.Context) (int, error) {
		next++
		return next, nil
	}})
}

// upto returns 0 to n-1.
func upto(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// watched is a Source that a test feeds, and that records whether it was closed.
type watched[T any] struct {
	*chanio.Source[T]
	in     chan T
	fail   chan error
	closed chan struct{}
	taken  atomic.Int64
	waits  func() // called before a wait
}

func watch[T any](values ...T) *watched[T] {
	w := &watched[T]{in: make(chan T, 1024), fail: make(chan error, 1), closed: make(chan struct{})}
	for _, v := range values {
		w.in <- v
	}
	w.Source = chanio.NewSource(chanio.SourceHooks[T]{
		Next: w.next,
		Close: func() error {
			close(w.closed)
			return nil
		},
		TryNext: w.tryNext,
		AtHand:  w.atHand,
	})
	return w
}

func (w *watched[T]) next(ctx context.Context) (v T, err error) {
	if ctx.Err() != nil {
		return v, chanio.Cause(ctx)
	}
	select {
	case v = <-w.in:
		w.taken.Add(1)
		return v, nil
	default:
	}
	if w.waits != nil {
		w.waits()
	}
	select {
	case v = <-w.in:
		w.taken.Add(1)
		return v, nil
	case err = <-w.fail:
		return v, err
	case <-w.closed:
		return v, io.ErrClosedPipe
	case <-ctx.Done():
		return v, chanio.Cause(ctx)
	}
}

func (w *watched[T]) tryNext() (v T, ok bool, err error) {
	select {
	case v = <-w.in:
		w.taken.Add(1)
		return v, true, nil
	default:
	}
	select {
	case err = <-w.fail:
	case <-w.closed:
		err = io.ErrClosedPipe
	default:
	}
	return v, false, err
}

func (w *watched[T]) atHand(dst []T) []T {
	for len(dst) < cap(dst) && len(w.in) > 0 {
		dst = append(dst, <-w.in)
		w.taken.Add(1)
	}
	return dst
}

func (w *watched[T]) isClosed() bool {
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

// drain receives until the end, which it returns.
func drain[T any](t testing.TB, src *chanio.Source[T]) ([]T, error) {
	t.Helper()
	all := slices.Collect(src.All(t.Context()))
	require.NoError(t, t.Context().Err())
	return all, src.Err()
}

// cancelled is a ctx that has ended.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
