package chaniotest

import (
	"context"

	"github.com/stretchr/testify/require"
)

// many is enough values to reuse every buffer on the way several times.
const many = 200

func orderCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G1-order-from-Send-to-Recv", 0, func(r *run[T]) { r.order(r.bySend, r.byRecv) }},
		{"G1-order-from-Send-to-All", 0, func(r *run[T]) { r.order(r.bySend, r.byAll) }},
		{"G1-order-from-channel-to-channel", 0, func(r *run[T]) { r.order(r.byOutC, r.byInC) }},
		{"G10-values-of-many-senders-are-whole", 0, manySenders[T]},
	}
}

// order asserts that everything arrives once and in order, also if both directions send at once.
func (r *run[T]) order(send func(e *end[T], n int), receive func(e *end[T], n int) []int) {
	r.connect()
	var back *call[[]int]
	there := start(func() error { send(r.near, many); return nil })
	if !r.s.oneWay {
		back = start(func() []int { return receive(r.near, many) })
		start(func() error { send(r.far, many); return nil })
	}
	require.Equal(r, upTo(0, many), receive(r.far, many))
	_ = there.wait(r)
	if back != nil {
		require.Equal(r, upTo(0, many), back.wait(r))
	}
}

func (r *run[T]) bySend(e *end[T], n int) { _ = r.send(e, upTo(0, n)...) }

func (r *run[T]) byOutC(e *end[T], n int) {
	out := e.Out.C(r.ctx)
	for i := range n {
		r.put(out, r.s.make(i))
	}
}

func (r *run[T]) byRecv(e *end[T], n int) (got []int) {
	for len(got) < n {
		i, err := e.next(r.ctx)
		if err != nil {
			break
		}
		got = append(got, i)
	}
	return got
}

func (r *run[T]) byAll(e *end[T], n int) (got []int) {
	for v := range e.In.All(r.ctx) {
		if got = append(got, e.numbers(v)...); len(got) >= n {
			break
		}
	}
	return got
}

func (r *run[T]) byInC(e *end[T], n int) (got []int) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	for v := range e.In.C(ctx) {
		if got = append(got, e.numbers(v)...); len(got) >= n {
			break
		}
	}
	return got
}

// manySenders asserts G10: values of several senders are not mixed, and those of one sender stay in order.
func manySenders[T any](r *run[T]) {
	const senders, each = 8, 50
	r.connect()
	var sending []*call[error]
	out := r.near.Out.C(r.ctx)
	for s := range senders {
		sending = append(sending, start(func() error {
			for i := range each {
				v := r.s.make(s*each + i)
				if s == 0 {
					r.put(out, v)
				} else if err := r.near.Out.Send(r.ctx, v); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	next := make([]int, senders)
	for _, i := range r.take(r.far, senders*each) {
		require.True(r, i >= 0 && i < senders*each, "a value that nobody sent, whole: %d", i)
		require.Equal(r, next[i/each], i%each, "the order of one sender")
		next[i/each]++
	}
	for _, c := range sending {
		require.NoError(r, c.wait(r))
	}
}
