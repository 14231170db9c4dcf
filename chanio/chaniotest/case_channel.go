package chaniotest

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"
)

func channelCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"C-of-a-Sink-is-flushed", pressure, channelIsFlushed[T]},
		{"C-of-a-Sink-outlives-its-ctx", 0, channelAfterCtx[T]},
		{"C-of-a-Sink-hands-over", 0, channelHandsOver[T]},
		{"C-of-a-Sink-after-Close-discards", anEnd | halfClose, channelAfterClose[T]},
		{"C-of-a-Sink-has-one-ctx", 0, channelHasOneCtx[T]},
		{"C-of-a-Sink-drains-on-Close", anEnd, channelDrains[T]},
	}
}

// channelIsFlushed asserts that Flush includes the values in the channel of C.
func channelIsFlushed[T any](r *run[T]) {
	r.connect()
	accepted := r.fill(r.near)
	out := r.near.Out.C(r.ctx)
	for i := range few {
		r.put(out, r.s.make(accepted+i))
	}
	flushed := start(func() error { return r.near.Out.Flush(r.ctx) })
	if r.before.settle(); r.s.facts.Bubble {
		require.False(r, flushed.over(), "Flush did not wait for what the channel holds")
	}
	require.Equal(r, upTo(0, accepted+few), r.take(r.far, accepted+few))
	require.NoError(r, flushed.wait(r))
}

// channelAfterCtx asserts that values sent before ctx ended arrive, and that later sends do not hang.
func channelAfterCtx[T any](r *run[T]) {
	r.connect()
	ctx, cancel := context.WithCancel(r.ctx)
	out := r.near.Out.C(ctx)
	fed := start(func() error {
		for i := range few {
			r.put(out, r.s.make(i))
		}
		cancel()
		for i := few; i < many && !r.s.oneWay; i++ {
			r.put(out, r.s.make(i))
		}
		return nil
	})
	require.Equal(r, upTo(0, few), r.take(r.far, few))
	if r.s.oneWay {
		require.NoError(r, fed.wait(r))
		return // no connection is released, so the discarding would not end
	}
	late := start(func() []int { return r.far.takeFlood(r.ctx) })
	require.NoError(r, fed.wait(r))
	sent := r.sending(r.near, marker)
	got := late.wait(r)
	require.Equal(r, upTo(few, few+len(got)), got, "a later value that is passed on follows the earlier ones")
	require.NoError(r, sent.wait(r))
}

// channelHandsOver asserts that the next channel, under a new ctx, continues where the last one ended.
func channelHandsOver[T any](r *run[T]) {
	r.connect()
	fed := start(func() error {
		for round := range few {
			ctx, cancel := context.WithCancel(r.ctx)
			out := r.near.Out.C(ctx)
			for i := range few {
				r.put(out, r.s.make(round*few+i))
			}
			cancel()
		}
		return nil
	})
	require.Equal(r, upTo(0, few*few), r.take(r.far, few*few))
	require.NoError(r, fed.wait(r))
}

func channelAfterClose[T any](r *run[T]) {
	r.connect()
	require.NoError(r, r.near.Out.Close())
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	fed := start(func() error {
		out := r.near.Out.C(ctx)
		for i := range many {
			r.put(out, r.s.make(i))
		}
		close(out)
		return nil
	})
	require.NoError(r, fed.wait(r))
	got, err := r.far.rest(r.ctx)
	require.Error(r, err)
	require.Empty(r, got)
}

func channelHasOneCtx[T any](r *run[T]) {
	r.connect()
	oneCtx(r)
}

// oneCtx asserts that near has one channel, bound to one ctx.
func oneCtx[T any](r *run[T]) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	out := r.near.Out.C(ctx)
	type key struct{}
	require.True(r, out == r.near.Out.C(context.WithValue(ctx, key{}, 1)), "the same Done channel is the same ctx")
	require.NotEmpty(r, panicOf(func() { r.near.Out.C(r.ctx) }), "another ctx while the first lives")
}

// channelDrains asserts that Close sends the values in the channel, and that later ones are discarded.
func channelDrains[T any](r *run[T]) {
	r.connect()
	out := r.near.Out.C(r.ctx)
	fed := start(func() error {
		for i := range few {
			r.put(out, r.s.make(i))
		}
		return closeBoth(r.near)
	})
	got, err := r.far.rest(r.ctx)
	require.Error(r, err)
	require.Equal(r, upTo(0, few), got)
	require.NoError(r, closeBoth(r.far))
	if err := fed.wait(r); !errors.Is(err, errors.ErrUnsupported) {
		require.NoError(r, err)
	}
}
