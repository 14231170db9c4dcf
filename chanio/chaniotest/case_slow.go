package chaniotest

import (
	"io"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func slowCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G5-Close-waits-for-a-slow-steady-reader", anEnd | large | steady, slowReader[T]},
	}
}

// slowReader closes while one large value is being sent to a peer that keeps reading, but takes many times the linger
// bound.
func slowReader[T any](r *run[T]) {
	r.connect()
	v, n := r.s.large()
	sent := start(func() error { return r.near.Out.Send(r.ctx, v) })
	require.True(r, sent.parked(), "the value is not large enough to wait for the peer")
	closed := r.endOut(r.near)
	linger := r.s.facts.Linger
	if linger == 0 {
		linger = chanio.DefaultLinger
	}
	const steps = 16
	var got []int
	for len(got) < n {
		time.Sleep(linger / 4) // a slow reader; this needs a bubble or a long linger bound
		for range min(n/steps, n-len(got)) {
			i, err := r.far.next(r.ctx)
			require.NoError(r, err, "after %d of %d records", len(got), n)
			got = append(got, i)
		}
	}
	require.Equal(r, upTo(0, n), got)
	_, err := r.far.next(r.ctx)
	require.Equal(r, io.EOF, err)
	require.NoError(r, sent.wait(r))
	require.NoError(r, closeBoth(r.far))
	require.NoError(r, closed.wait(r))
}
