package chaniotest

import (
	"context"

	"github.com/stretchr/testify/require"
)

func cloggedCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"clogged-both-ways-by-Send", bothWays | pressure, func(r *run[T]) { cloggedBothWays(r, (*end[T]).sendOne) }},
		{"clogged-both-ways-through-channels", bothWays | pressure, func(r *run[T]) { cloggedBothWays(r, (*end[T]).feedOne) }},
		{"clogged-echo-by-Recv-and-Send", bothWays | pressure, func(r *run[T]) { cloggedEcho(r, echoByCalls[T]) }},
		{"clogged-echo-through-channels", bothWays | pressure, func(r *run[T]) { cloggedEcho(r, echoByChannels[T]) }},
	}
}

func (e *end[T]) sendOne(ctx context.Context, v T) error { return e.Out.Send(ctx, v) }

// feedOne sends v through the channel of C.
func (e *end[T]) feedOne(ctx context.Context, v T) error {
	select {
	case e.Out.C(ctx) <- v:
		return nil
	case <-e.Out.Done():
		return e.Out.Err()
	}
}

// cloggedBothWays makes both ends send until they block. Then both read: a Recv that had to write something first would
// hang forever.
func cloggedBothWays[T any](r *run[T], send func(e *end[T], ctx context.Context, v T) error) {
	r.connect()
	there := r.floodBy(func(ctx context.Context, v T) error { return send(r.near, ctx, v) })
	back := r.floodBy(func(ctx context.Context, v T) error { return send(r.far, ctx, v) })
	if !r.clogged(there) || !r.clogged(back) {
		r.Skip("nothing clogs: see G8-acceptance-is-bounded")
	}
	there.finish()
	back.finish()
	near := start(func() []int { return r.near.takeFlood(r.ctx) })
	got := r.far.takeFlood(r.ctx)
	require.NoError(r, there.over.wait(r))
	require.NoError(r, back.over.wait(r))
	require.Equal(r, upTo(0, int(there.accepted.Load())), got)
	require.Equal(r, upTo(0, int(back.accepted.Load())), near.wait(r))
}

// cloggedEcho makes near send until the echo blocks as well, and only then read.
func cloggedEcho[T any](r *run[T], echo func(r *run[T], e *end[T])) {
	r.connect()
	start(func() error { echo(r, r.far); return nil })
	f := r.flood(r.near)
	f.finish()
	got := r.near.takeFlood(r.ctx)
	require.NoError(r, f.over.wait(r))
	require.Equal(r, upTo(0, int(f.accepted.Load())), got)
}

func echoByCalls[T any](r *run[T], e *end[T]) {
	for {
		v, err := e.In.Recv(r.ctx)
		if err != nil || e.Out.Send(r.ctx, v) != nil {
			return
		}
	}
}

func echoByChannels[T any](r *run[T], e *end[T]) {
	out := e.Out.C(r.ctx)
	for v := range e.In.C(r.ctx) {
		select {
		case out <- v:
		case <-e.Out.Done():
			return
		}
	}
}
