package chaniotest

import (
	"errors"
	"io"
	"net"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// awaitCases are for Sources with the Await hook, whose owner waits before it borrows values. Without the hook
// Upstream.Await returns at once, and the cases hold for Next alone.
func awaitCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G2-a-wait-takes-nothing", 0, awaitTakesNothing[T]},
		{"G2-a-cancelled-wait-loses-nothing", 0, cancelledAwait[T]},
		{"G1-the-end-follows-a-wait", anEnd, endAfterAwait[T]},
		{"G3-Close-reaches-a-wait", 0, closedAwait[T]},
	}
}

// own makes the case the owner of e.In, as a stage is.
func (e *end[T]) own() chanio.Upstream[T] { return e.In.Claim("chaniotest.Owner") }

// awaitTakesNothing waits, once or twice, and then takes values in each of the ways there are.
func awaitTakesNothing[T any](r *run[T]) {
	r.connect()
	var got []int
	for way := 0; len(got) < 20*few; {
		first := len(got)
		sent := r.sending(r.near, upTo(first, first+few)...)
		for ; len(got) < first+few; way++ {
			up := r.far.own()
			for range 1 + way%2 {
				require.NoError(r, up.Await(r.ctx))
			}
			got = append(got, r.borrow(up, way)...)
			up.Release()
		}
		require.Equal(r, upTo(first, first+few), got[first:])
		require.NoError(r, sent.wait(r))
	}
}

// borrow takes what is lent, except in some ways a part that it gives back. If that is nothing, it receives a value.
func (r *run[T]) borrow(up chanio.Upstream[T], way int) (numbers []int) {
	lent := up.Lend(make([]T, 0, 1+way%few))
	kept := min(way%4, len(lent))
	for _, v := range lent[:kept] {
		numbers = append(numbers, r.far.numbers(v)...)
	}
	if kept < len(lent) {
		up.Unlend(lent[kept:])
	}
	if kept > 0 {
		return numbers
	}
	if way%3 == 0 {
		up.Release()
		v, err := r.far.In.Recv(r.ctx)
		require.NoError(r, err)
		return r.far.numbers(v)
	}
	v, err := up.Next(r.ctx)
	require.NoError(r, err)
	return r.far.numbers(v)
}

// cancelledAwait cancels waits while there is nothing, then while a value arrives.
func cancelledAwait[T any](r *run[T]) {
	r.connect()
	up := r.far.own()
	for range few {
		ctx, cancel, why := r.cancellable()
		c := start(func() error { return up.Await(ctx) })
		if !c.parked() {
			require.NoError(r, c.wait(r), "a Source without the hook")
			continue
		}
		cancel()
		require.ErrorIs(r, c.wait(r), why)
	}
	for i := range many {
		ctx, cancel, why := r.cancellable()
		c := start(func() error { return up.Await(ctx) })
		c.parked()
		sent := start(func() error {
			defer cancel() // while the owner wakes up
			return r.send(r.near, i)
		})
		if i%2 == 0 {
			cancel() // while the value is in transit
		}
		if err := c.wait(r); err != nil {
			require.ErrorIs(r, err, why)
		}
		got := r.borrow(up, i)
		for len(got) == 0 {
			got = r.borrow(up, 1)
		}
		require.Equal(r, []int{i}, got)
		require.NoError(r, sent.wait(r))
	}
}

// endAfterAwait ends the stream behind values, and during a wait.
func endAfterAwait[T any](r *run[T]) {
	for _, values := range []int{0, few} {
		for _, clean := range []bool{true, false} {
			r.connect()
			up := r.far.own()
			sent := r.sending(r.near, upTo(0, values)...)
			for got := 0; got < values; {
				require.NoError(r, up.Await(r.ctx))
				got += len(r.borrow(up, got))
			}
			require.NoError(r, sent.wait(r))
			c := start(func() error { return up.Await(r.ctx) })
			c.parked()
			if clean {
				r.endOut(r.near)
			} else {
				r.near.Out.Abort(errors.New("aborted by the suite"))
			}
			err := c.wait(r)
			if err == nil {
				require.Empty(r, up.Lend(make([]T, 0, 1)))
				_, err = up.Next(r.ctx)
			}
			if clean {
				require.Equal(r, io.EOF, err)
			} else if require.Error(r, err); !r.s.facts.NoReset {
				require.NotEqual(r, io.EOF, err)
			}
			up.Release()
			_, again := r.far.In.Recv(r.ctx)
			require.Equal(r, err, again, "the end is told again")
			<-r.far.In.Done()
		}
	}
}

// closedAwait closes the Source during a wait.
func closedAwait[T any](r *run[T]) {
	r.connect()
	up := r.far.own()
	c := start(func() error { return up.Await(r.ctx) })
	c.parked()
	require.NoError(r, up.Close())
	if err := c.wait(r); err != nil {
		require.ErrorIs(r, err, net.ErrClosed)
	}
	require.Empty(r, up.Lend(make([]T, 0, 1)))
	_, err := up.Next(r.ctx)
	require.ErrorIs(r, err, net.ErrClosed)
}
