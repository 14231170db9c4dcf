package chaniotest

import (
	"context"
	"io"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/deadline"
)

func ctxCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G2-an-earlier-ctx-is-over", 0, earlierCtx[T]},
		{"G2-an-earlier-ctx-leaves-Send-alone", pressure, earlierCtxOfSend[T]},
		{"G15-io.EOF-as-cause-of-a-Recv", 0, causeOfRecv[T]},
		{"G15-io.EOF-as-cause-of-a-Send", pressure, causeOfSend[T]},
	}
}

// earlierCtx ends the ctx of calls that have returned, while others wait.
func earlierCtx[T any](r *run[T]) {
	r.connect()
	for i := range few {
		ctx, cancel := context.WithCancel(r.ctx)
		sent := start(func() error { return r.near.Out.Send(ctx, r.s.make(2*i)) })
		v, err := r.far.next(ctx)
		require.NoError(r, err)
		require.Equal(r, 2*i, v)
		require.NoError(r, sent.wait(r))
		later := start(func() error { v, err := r.far.next(r.ctx); return r.unread(r.far, v, err) })
		require.True(r, later.parked())
		cancel()
		r.before.settle()
		sent = r.sending(r.near, 2*i+1)
		require.NoError(r, later.wait(r), "the ctx that ended was of another call")
		require.Equal(r, []int{2*i + 1}, r.take(r.far, 1))
		require.NoError(r, sent.wait(r))
	}
}

func earlierCtxOfSend[T any](r *run[T]) {
	r.connect()
	ctx, cancel := context.WithCancel(r.ctx)
	sent := start(func() error { return r.near.Out.Send(ctx, r.s.make(0)) })
	require.Equal(r, []int{0}, r.take(r.far, 1))
	require.NoError(r, sent.wait(r))
	f := r.flood(r.near)
	cancel()
	r.before.settle()
	f.finish()
	got := r.far.takeFlood(r.ctx)
	require.NoError(r, f.over.wait(r), "the ctx that ended was of another call")
	require.Equal(r, upTo(0, int(f.accepted.Load())), got)
}

// causeOfRecv cancels receivers with a cause that looks like the end of a stream.
func causeOfRecv[T any](r *run[T]) {
	r.connect()
	for _, receive := range []func(ctx context.Context) error{
		func(ctx context.Context) error { _, err := r.far.In.Recv(ctx); return err },
		func(ctx context.Context) error {
			for range r.far.In.All(ctx) {
			}
			return r.far.In.Err()
		},
		func(ctx context.Context) error {
			for range r.far.In.C(ctx) {
			}
			return r.far.In.Err()
		},
	} {
		for range 2 {
			ctx, cancel := context.WithCancelCause(r.ctx)
			c := start(func() error { return receive(ctx) })
			require.True(r, c.parked())
			cancel(io.EOF)
			r.isOfCtx(c.wait(r))
			r.isOfCtx(receive(ctx))
			require.False(r, deadline.Ended(r.far.In.Done()), "ctx ends the call and not the stream")
		}
	}
	sent := r.sending(r.near, upTo(0, few)...)
	require.Equal(r, upTo(0, few), r.take(r.far, few))
	require.NoError(r, sent.wait(r))
}

// isOfCtx asserts that err reports a ctx that was cancelled with io.EOF.
func (r *run[T]) isOfCtx(err error) {
	r.Helper()
	require.ErrorIs(r, err, context.Canceled)
	require.NotErrorIs(r, err, io.EOF, "a cause of io.EOF shows as the error of ctx")
}

func causeOfSend[T any](r *run[T]) {
	r.connect()
	ctx, cancel := context.WithCancelCause(r.ctx)
	f := r.floodBy(func(_ context.Context, v T) error { return r.near.Out.Send(ctx, v) })
	if !r.clogged(f) {
		r.Skip("nothing clogs: see G8-acceptance-is-bounded")
	}
	cancel(io.EOF)
	r.isOfCtx(f.over.wait(r))
	require.False(r, deadline.Ended(r.near.Out.Done()), "ctx ends the call and not the stream")
	accepted := int(f.accepted.Load())
	require.Equal(r, upTo(0, accepted), r.take(r.far, accepted))
	sent := r.sending(r.near, 7)
	require.Equal(r, []int{7}, r.take(r.far, 1))
	require.NoError(r, sent.wait(r))
}
