package chaniotest

import (
	"context"
	"slices"

	"github.com/stretchr/testify/require"
)

func consumerCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G9-second-consumer-panics", 0, secondConsumer[T]},
		{"G9-channel-is-shared", 0, sharedChannel[T]},
		{"G9-ended-ctx-hands-over", 0, handOver[T]},
	}
}

func secondConsumer[T any](r *run[T]) {
	r.connect()
	ctx, cancel := context.WithCancel(r.ctx)
	first := start(func() error { _, err := r.far.In.Recv(ctx); return err })
	require.True(r, first.parked())
	r.refusesConsumers()
	cancel()
	require.ErrorIs(r, first.wait(r), context.Canceled)

	ctx, cancel = context.WithCancel(r.ctx)
	defer cancel()
	c := r.far.In.C(ctx)
	require.True(r, c == r.far.In.C(ctx), "C with the same ctx is the same channel")
	r.refusesConsumers()
}

// refusesConsumers asserts that far, which has a consumer, refuses a second one.
func (r *run[T]) refusesConsumers() {
	other, cancel := context.WithCancel(r.ctx)
	defer cancel()
	for name, consume := range map[string]func(){
		"Recv":  func() { _, _ = r.far.In.Recv(other) },
		"C":     func() { r.far.In.C(other) },
		"All":   func() { r.far.In.All(other)(func(T) bool { return false }) },
		"Claim": func() { r.far.In.Claim("chaniotest") },
	} {
		text := panicOf(consume)
		require.Contains(r, text, "pipeline.Tee", "what a second consumer, by %s, is told", name)
	}
}

// panicOf returns the text that f panics with.
func panicOf(f func()) (text string) {
	defer func() { text, _ = recover().(string) }()
	f()
	return ""
}

func sharedChannel[T any](r *run[T]) {
	r.connect()
	c := r.far.In.C(r.ctx)
	sizes := make(chan int)
	for range 4 {
		start(func() error {
			for v := range c {
				sizes <- r.s.size(v)
			}
			return nil
		})
	}
	sent := r.sending(r.near, upTo(0, many)...)
	for missing := many * r.s.unit; missing > 0; {
		missing -= <-sizes
	}
	require.NoError(r, sent.wait(r))
}

// handOver asserts that a consumer whose ctx has ended does not block the next.
func handOver[T any](r *run[T]) {
	r.connect()
	var got []int
	sent := r.sending(r.near, upTo(0, many)...)
	for len(got) < many {
		ctx, cancel := context.WithCancel(r.ctx)
		c := start(func() error { r.far.In.C(ctx); return nil })
		_ = c.wait(r)
		cancel()
		got = slices.Concat(got, r.take(r.far, 1), r.far.ready)
		r.far.ready = nil
	}
	require.Equal(r, upTo(0, many), got)
	require.NoError(r, sent.wait(r))
}
