package chaniotest

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// Sources is what [TestSource] needs.
type Sources[T any] struct {
	// Open returns a new Source of the values that stand for 0, 1 ... n-1. It ends cleanly after them.
	Open func(t testing.TB, n int) *chanio.Source[T]

	// Idle returns a Source that has no value and does not end by itself, and a channel that is closed when its
	// producer has been stopped. The channel is nil if that cannot be observed. Without Idle the cases in which a
	// receiver waits are skipped.
	Idle func(t testing.TB) (*chanio.Source[T], <-chan struct{})

	// Number returns the i that v stands for.
	Number func(v T) int

	Facts
}

// TestSource runs the cases that need only a Source, such as an adapter or a stage, as subtests of t named
// conformance/<case>. If values can be sent to it one by one, [TestStream] tests more.
func TestSource[T any](t *testing.T, d Sources[T]) {
	t.Helper()
	s := typed[T](nil, d.Number, d.Facts)
	t.Run("conformance", func(t *testing.T) {
		for _, c := range sourceCases(d) {
			s.testCase(t, c)
		}
	})
}

// sourceCases returns the cases that apply to d. The Source is far; there is no near.
func sourceCases[T any](d Sources[T]) []suiteCase[T] {
	with := func(f func(r *run[T], open func(n int) *end[T])) func(r *run[T]) {
		return func(r *run[T]) {
			f(r, func(n int) *end[T] { return r.end(&chanio.Duplex[T, T]{In: d.Open(r.TB, n)}) })
		}
	}
	cases := []suiteCase[T]{
		{"G1-order-by-Recv", 0, with(func(r *run[T], open func(int) *end[T]) { r.whole(open, r.byRecv) })},
		{"G1-order-by-All", 0, with(func(r *run[T], open func(int) *end[T]) { r.whole(open, r.byAll) })},
		{"G1-order-by-C", 0, with(func(r *run[T], open func(int) *end[T]) { r.whole(open, r.byInC) })},
		{"G1-end-follows-the-values-and-stays", 0, with(sourceEnds[T])},
		{"G1-closed-here-is-ErrClosed", 0, with(sourceClosed[T])},
		{"G2-what-C-left-comes-first", 0, with(sourceLeftovers[T])},
		{"G4-Close-during-everything", 0, with(sourceCloseDuring[T])},
		{"G9-owned-Source-panics", 0, with(sourceOwned[T])},
		{"G11-no-goroutine-stays", 0, with(sourceLeavesNothing[T])},
	}
	if d.Idle == nil {
		return cases
	}
	idle := func(f func(r *run[T], e *end[T], told <-chan struct{})) func(r *run[T]) {
		return func(r *run[T]) {
			src, told := d.Idle(r.TB)
			f(r, r.end(&chanio.Duplex[T, T]{In: src}), told)
		}
	}
	return append(cases,
		suiteCase[T]{"G2-cancelled-Recv-returns-the-cause", 0, idle(idleCancelled[T])},
		suiteCase[T]{"G3-Close-reaches-the-idle-producer", 0, idle(idleClosed[T])},
		suiteCase[T]{"G9-second-consumer-panics", 0, idle(idleSecondConsumer[T])},
	)
}

// whole asserts that receive gets everything in order.
func (r *run[T]) whole(open func(n int) *end[T], receive func(e *end[T], n int) []int) {
	for _, n := range []int{0, 1, 17, many} {
		require.Equal(r, upTo(0, n), receive(open(n), n))
	}
}

func sourceEnds[T any](r *run[T], open func(n int) *end[T]) {
	e := open(few)
	got, err := e.rest(r.ctx)
	require.Equal(r, upTo(0, few), got)
	for range 3 {
		require.Equal(r, io.EOF, err)
		_, err = e.In.Recv(r.ctx)
	}
	require.NoError(r, e.In.Err())
	<-e.In.Done()
	for range e.In.C(r.ctx) {
		r.Fatal("a value after the end")
	}
	require.NoError(r, e.In.Close())
	require.NoError(r, e.In.Err(), "the first end counts")
}

func sourceClosed[T any](r *run[T], open func(n int) *end[T]) {
	e := open(few)
	require.Equal(r, []int{0}, r.take(e, 1))
	for range 3 {
		require.NoError(r, e.In.Close())
		_, err := e.In.Recv(r.ctx)
		require.ErrorIs(r, err, net.ErrClosed)
	}
	require.ErrorIs(r, e.In.Err(), net.ErrClosed)
	<-e.In.Done()
}

func sourceLeftovers[T any](r *run[T], open func(n int) *end[T]) {
	e := open(many)
	var got []int
	for len(got) < many {
		ctx, cancel := context.WithCancel(r.ctx)
		if v, ok := <-e.In.C(ctx); ok {
			got = append(got, e.numbers(v)...)
		}
		cancel()
		if len(got) < many {
			got = slices.Concat(got, r.take(e, 1))
		}
	}
	require.Equal(r, upTo(0, many), got)
}

func sourceCloseDuring[T any](r *run[T], open func(n int) *end[T]) {
	for round := range 50 {
		e := open(many)
		user := r.using(r.ctx, e, round)
		for _, c := range r.closing(e, round) {
			_ = c.wait(r)
		}
		for _, c := range user {
			_ = c.wait(r)
		}
		<-e.In.Done()
	}
}

func sourceOwned[T any](r *run[T], open func(n int) *end[T]) {
	r.far = open(few)
	up := r.far.In.Claim("chaniotest.Owner")
	require.Contains(r, panicOf(func() { _, _ = r.far.In.Recv(r.ctx) }), "chaniotest.Owner")
	r.refusesConsumers()
	v, err := up.Next(r.ctx)
	require.NoError(r, err)
	up.Unread(v)
	up.Release()
	require.Equal(r, upTo(0, few), r.take(r.far, few))
}

func sourceLeavesNothing[T any](r *run[T], open func(n int) *end[T]) {
	ctx, cancel := context.WithCancel(r.ctx)
	e := open(many)
	<-e.In.C(ctx)
	cancel()
	_ = r.take(e, 1)
	require.NoError(r, e.In.Close())
	r.gone(r.before, "the Source is closed")
	_, err := open(many).rest(r.ctx)
	require.Equal(r, io.EOF, err)
	r.gone(r.before, "the Source has ended")
}

func idleCancelled[T any](r *run[T], e *end[T], _ <-chan struct{}) {
	ctx, cancel, why := r.cancellable()
	c := start(func() error { _, err := e.In.Recv(ctx); return err })
	require.True(r, c.parked())
	cancel()
	require.ErrorIs(r, c.wait(r), why)
	require.False(r, deadline.Ended(e.In.Done()), "ctx ends the call and not the stream")

	ctx, cancel, why = r.cancellable()
	ranging := start(func() error {
		for range e.In.C(ctx) {
		}
		return e.In.Err()
	})
	require.True(r, ranging.parked())
	cancel()
	require.ErrorIs(r, ranging.wait(r), why, "Err tells what ended the range")
}

func idleClosed[T any](r *run[T], e *end[T], told <-chan struct{}) {
	c := start(func() error { _, err := e.In.Recv(r.ctx); return err })
	require.True(r, c.parked())
	require.NoError(r, e.In.Close())
	if told != nil {
		<-told
	}
	require.ErrorIs(r, c.wait(r), net.ErrClosed)
}

func idleSecondConsumer[T any](r *run[T], e *end[T], _ <-chan struct{}) {
	r.far = e
	ctx, cancel := context.WithCancel(r.ctx)
	first := start(func() error { _, err := e.In.Recv(ctx); return err })
	require.True(r, first.parked())
	r.refusesConsumers()
	cancel()
	require.ErrorIs(r, first.wait(r), context.Canceled)
	ctx, cancel = context.WithCancel(r.ctx)
	e.In.C(ctx)
	cancel()
	late, stop := context.WithTimeout(r.ctx, 0)
	defer stop()
	_, err := e.In.Recv(late) // waits for the hand-over, and does not panic
	require.ErrorIs(r, err, context.DeadlineExceeded)
}
