package chaniotest

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// Sinks is what [TestSink] needs.
type Sinks[T any] struct {
	// Open returns a new Sink, and a function that returns what has come out at its other end so far. The suite calls
	// that after a Flush or a Close. The Sink must accept a few hundred values without blocking.
	Open func(t testing.TB) (sink *chanio.Sink[T], received func() []T)

	// Make returns the value that stands for i, and Number returns the i that a value stands for.
	Make   func(i int) T
	Number func(v T) int

	Facts
}

// TestSink runs the cases that need only a Sink, as subtests of t named conformance/<case>. If a Source can receive
// what was sent, [TestStream] tests more.
func TestSink[T any](t *testing.T, d Sinks[T]) {
	t.Helper()
	s := typed(d.Make, d.Number, d.Facts)
	t.Run("conformance", func(t *testing.T) {
		for _, c := range sinkCases(d) {
			s.testCase(t, c)
		}
	})
}

// sinkCases returns the cases for a Sink, which is near; there is no far.
func sinkCases[T any](d Sinks[T]) []suiteCase[T] {
	with := func(f func(r *run[T], received func() []int)) func(r *run[T]) {
		return func(r *run[T]) {
			sink, received := d.Open(r.TB)
			r.near = r.end(&chanio.Duplex[T, T]{Out: sink})
			f(r, func() (numbers []int) {
				for _, v := range received() {
					numbers = append(numbers, d.Number(v))
				}
				return numbers
			})
		}
	}
	return []suiteCase[T]{
		{"G1-order-by-Send-and-TrySend", 0, with(sinkOrder[T])},
		{"G1-closed-here-is-ErrClosed", 0, with(sinkClosed[T])},
		{"G4-Close-is-idempotent", 0, with(sinkIdempotent[T])},
		{"G5-Close-drains-the-channel", 0, with(sinkDrains[T])},
		{"G10-values-of-many-senders-are-whole", 0, with(sinkManySenders[T])},
		{"G11-no-goroutine-stays", 0, with(sinkLeavesNothing[T])},
		{"C-of-a-Sink-is-flushed", 0, with(sinkFlushes[T])},
		{"C-of-a-Sink-has-one-ctx", 0, with(func(r *run[T], _ func() []int) { oneCtx(r) })},
	}
}

func sinkOrder[T any](r *run[T], received func() []int) {
	for i := range many {
		ok := false
		if i%2 == 0 {
			var err error
			ok, err = r.near.Out.TrySend(r.s.make(i))
			require.NoError(r, err)
		}
		if !ok {
			require.NoError(r, r.send(r.near, i))
		}
	}
	require.NoError(r, r.near.Out.Close())
	require.Equal(r, upTo(0, many), received())
	require.NoError(r, r.near.Out.Err())
}

func sinkClosed[T any](r *run[T], received func() []int) {
	require.NoError(r, r.near.Out.Close())
	require.ErrorIs(r, r.near.Out.Send(r.ctx, r.s.make(0)), net.ErrClosed)
	ok, err := r.near.Out.TrySend(r.s.make(0))
	require.False(r, ok)
	require.ErrorIs(r, err, net.ErrClosed)
	<-r.near.Out.Done()
	c := r.near.Out.C(r.ctx)
	for i := range many {
		r.put(c, r.s.make(i))
	}
	close(c)
	require.Empty(r, received())
}

func sinkIdempotent[T any](r *run[T], _ func() []int) {
	closing := []*call[error]{start(r.near.Out.Close), start(r.near.Out.Close), start(r.near.Out.Close)}
	for _, c := range closing {
		require.NoError(r, c.wait(r))
	}
	r.near.Out.Abort(nil)
	r.near.Out.Abort(nil)
	_ = r.near.Out.Close()
}

func sinkDrains[T any](r *run[T], received func() []int) {
	c := r.near.Out.C(r.ctx)
	for i := range few {
		r.put(c, r.s.make(i))
	}
	close(c)
	require.NoError(r, r.near.Out.Close())
	require.Equal(r, upTo(0, few), received())
}

func sinkManySenders[T any](r *run[T], received func() []int) {
	const senders, each = 8, 20
	var sending []*call[error]
	for s := range senders {
		sending = append(sending, r.sending(r.near, upTo(s*each, (s+1)*each)...))
	}
	for _, c := range sending {
		require.NoError(r, c.wait(r))
	}
	require.NoError(r, r.near.Out.Close())
	got := received()
	require.ElementsMatch(r, upTo(0, senders*each), got)
	next := make([]int, senders)
	for _, i := range got {
		require.Equal(r, next[i/each], i%each, "the order of one sender")
		next[i/each]++
	}
}

func sinkLeavesNothing[T any](r *run[T], _ func() []int) {
	r.put(r.near.Out.C(r.ctx), r.s.make(0))
	require.NoError(r, r.near.Out.Flush(r.ctx))
	close(r.near.Out.C(r.ctx))
	require.NoError(r, r.near.Out.Close())
	r.gone(r.before, "the Sink is closed")
}

func sinkFlushes[T any](r *run[T], received func() []int) {
	c := r.near.Out.C(r.ctx)
	for i := range few {
		r.put(c, r.s.make(i))
	}
	require.NoError(r, r.near.Out.Flush(r.ctx))
	require.Equal(r, upTo(0, few), received())
}
