package chaniotest

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/deadline"
)

// few is a number of values that fits into any buffer.
const few = 5

func endCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G1-end-follows-the-values-and-stays", anEnd, endStays[T]},
		{"G1-failure-is-no-clean-end", anEnd, failureIsNoCleanEnd[T]},
		{"G1-closed-here-is-ErrClosed", 0, closedHere[T]},
		{"G15-errors-match", 0, errorsMatch[T]},
	}
}

func endStays[T any](r *run[T]) {
	r.connect()
	sent := start(func() error {
		if err := r.send(r.near, upTo(0, few)...); err != nil {
			return err
		}
		r.endOut(r.near)
		return nil
	})
	require.Equal(r, upTo(0, few), r.take(r.far, few))
	require.NoError(r, sent.wait(r))
	for range 3 {
		_, err := r.far.In.Recv(r.ctx)
		require.Equal(r, io.EOF, err, "the end is told again and again")
	}
	require.NoError(r, r.far.In.Err(), "a clean end is no error")
	<-r.far.In.Done()
	for range r.far.In.C(r.ctx) {
		r.Fatal("a value after the end")
	}
	for range r.far.In.All(r.ctx) {
		r.Fatal("a value after the end")
	}
	require.NoError(r, r.far.In.Close())
	require.NoError(r, r.far.In.Err(), "the first end counts")
}

func failureIsNoCleanEnd[T any](r *run[T]) {
	r.connect()
	sent := r.sending(r.near, upTo(0, few)...)
	require.Equal(r, upTo(0, few), r.take(r.far, few))
	require.NoError(r, sent.wait(r))
	why := errors.New("aborted by the suite")
	r.near.Out.Abort(why)
	require.ErrorIs(r, r.near.Out.Err(), why)
	require.ErrorIs(r, r.near.Out.Send(r.ctx, r.s.make(few)), why)
	_, err := r.far.In.Recv(r.ctx)
	require.Error(r, err)
	if r.s.facts.NoReset {
		return
	}
	require.NotEqual(r, io.EOF, err, "the peer took an abort for a clean end")
	_, again := r.far.In.Recv(r.ctx)
	require.Equal(r, err, again, "the failure is told again")
	require.Equal(r, err, r.far.In.Err())
	<-r.far.In.Done()
}

func closedHere[T any](r *run[T]) {
	r.connect()
	require.NoError(r, r.far.In.Close())
	for range 2 {
		_, err := r.far.In.Recv(r.ctx)
		require.ErrorIs(r, err, net.ErrClosed)
	}
	require.ErrorIs(r, r.far.In.Err(), net.ErrClosed)
	<-r.far.In.Done()
	for range r.far.In.C(r.ctx) {
		r.Fatal("a value after Close")
	}
	_ = r.near.Out.Close()
	require.ErrorIs(r, r.near.Out.Send(r.ctx, r.s.make(0)), net.ErrClosed)
	ok, err := r.near.Out.TrySend(r.s.make(0))
	require.False(r, ok)
	require.ErrorIs(r, err, net.ErrClosed)
	<-r.near.Out.Done()
}

func errorsMatch[T any](r *run[T]) {
	r.connect()
	late, cancel := context.WithTimeout(r.ctx, 0)
	defer cancel()
	_, err := r.far.In.Recv(late)
	require.ErrorIs(r, err, context.DeadlineExceeded)
	ctx, stop, why := r.cancellable()
	c := start(func() error { _, err := r.far.In.Recv(ctx); return err })
	stop()
	require.ErrorIs(r, c.wait(r), why, "a cancelled call returns the cause")
	for range r.far.In.C(ctx) {
		r.Fatal("a value out of nothing")
	}
	require.ErrorIs(r, r.far.In.Err(), why, "Err tells what ended the range")
	require.False(r, deadline.Ended(r.far.In.Done()), "ctx ends the call and not the stream")
}
