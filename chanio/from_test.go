package chanio_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// collect receives to the end of src.
func collect[T any](t testing.TB, src *chanio.Source[T]) []T {
	t.Helper()
	var got []T
	for v := range src.All(t.Context()) {
		got = append(got, v)
	}
	require.NoError(t, src.Err())
	return got
}

func TestG1FromYieldsTheValuesThenTheEnd(t *testing.T) {
	ch := make(chan int, 3)
	ch <- 1
	ch <- 2
	close(ch)
	src := chanio.From(ch)
	require.Equal(t, []int{1, 2}, collect(t, src))
	_, err := src.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	require.NoError(t, src.Close())
	require.NoError(t, src.Err())
}

func TestG2CancelledRecvOfFromTookNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		src := chanio.From(ch)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		res := make(chan error)
		go func() {
			_, err := src.Recv(ctx)
			res <- err
		}()
		synctest.Wait()
		cancel(why)
		require.Equal(t, why, <-res)
		go func() { ch <- 7 }()
		v, err := src.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7, v)
	})
}

func TestG2EndedContextTakesNothingEvenFromAFullChannel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ch := make(chan int, 1)
	ch <- 1
	for name, src := range map[string]*chanio.Source[int]{
		"From":      chanio.From(ch),
		"FromSlice": chanio.FromSlice([]int{1}),
		"FromSeq":   chanio.FromSeq(slices.Values([]int{1})),
	} {
		_, err := src.Recv(ctx)
		require.ErrorIs(t, err, context.Canceled, name)
		require.Equal(t, 1, first(t, src), name)
		require.NoError(t, src.Close())
	}
}

func first[T any](t testing.TB, src *chanio.Source[T]) T {
	t.Helper()
	v, err := src.Recv(t.Context())
	require.NoError(t, err)
	return v
}

func TestG3ClosingFromReachesTheSenderOfAnIdleChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ch := make(chan int)
		src := chanio.From(ch, stop)
		res := make(chan error)
		go func() {
			_, err := src.Recv(t.Context())
			res <- err
		}()
		synctest.Wait()
		require.NoError(t, src.Close())
		require.Equal(t, net.ErrClosed, <-res)
		<-ctx.Done()
	})
}

func TestFromCallsStopOnceHoweverItEnds(t *testing.T) {
	stops := 0
	ch := make(chan int)
	close(ch)
	src := chanio.From(ch, func() { stops++ }, func() { stops += 10 })
	require.Empty(t, collect(t, src))
	require.NoError(t, src.Close())
	require.NoError(t, src.Close())
	require.Equal(t, 11, stops)
}

func TestFromStopMayCloseTheSource(t *testing.T) {
	ch := make(chan int)
	close(ch)
	var src *chanio.Source[int]
	src = chanio.From(ch, func() { _ = src.Close() })
	_, err := src.Recv(t.Context())
	require.Equal(t, net.ErrClosed, err)
}

func TestFromSliceKeepsTheOrderAndEnds(t *testing.T) {
	require.Equal(t, []string{"a", "b"}, collect(t, chanio.FromSlice([]string{"a", "b"})))
	require.Empty(t, collect(t, chanio.FromSlice[int](nil)))
}

func TestFromSeqRunsNoFurtherThanAsked(t *testing.T) {
	asked := 0
	src := chanio.FromSeq(func(yield func(int) bool) {
		for asked = 1; yield(asked); asked++ {
		}
		asked = -1
	})
	require.Equal(t, 0, asked)
	require.Equal(t, 1, first(t, src))
	require.Equal(t, 2, first(t, src))
	require.Equal(t, 2, asked)
	require.NoError(t, src.Close())
	require.Equal(t, -1, asked, "the iterator has seen that yield is false")
}

func TestFromSeqNeverReceivedFromNeverRuns(t *testing.T) {
	src := chanio.FromSeq(func(func(int) bool) { t.Error("runs") })
	require.NoError(t, src.Close())
	_, err := src.Recv(t.Context())
	require.Equal(t, net.ErrClosed, err)
}

func TestG4ClosingFromSeqWhileItRunsStopsItAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, resume, over := make(chan int), make(chan int), false
		src := chanio.FromSeq(func(yield func(int) bool) {
			close(started)
			<-resume
			over = !yield(1)
		})
		res := make(chan error)
		go func() {
			_, err := src.Recv(t.Context())
			res <- err
		}()
		<-started
		require.NoError(t, src.Close())
		close(resume)
		require.Equal(t, net.ErrClosed, <-res)
		require.True(t, over)
	})
}

func TestG16PanicInTheIteratorEndsTheSource(t *testing.T) {
	src := chanio.FromSeq(func(yield func(int) bool) {
		yield(1)
		panic("broken")
	})
	require.Equal(t, 1, first(t, src))
	require.PanicsWithValue(t, "broken", func() { _, _ = src.Recv(t.Context()) })
	var p *chanio.PanicError
	require.ErrorAs(t, src.Err(), &p)
	require.Equal(t, "broken", p.Value)
}

func TestG11PumpsOverFromEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := func(yield func(int) bool) {
			for yield(0) {
			}
		}
		full := make(chan int)
		go func() {
			for range full {
			}
		}()
		defer close(full)
		for name, src := range map[string]*chanio.Source[int]{
			"From":    chanio.From(make(chan int)),
			"FromSeq": chanio.FromSeq(iter.Seq[int](forever)),
		} {
			ctx, cancel := context.WithCancel(t.Context())
			ch := src.C(ctx)
			synctest.Wait()
			cancel()
			for range ch {
			}
			require.ErrorIs(t, src.Err(), context.Canceled, name)
			require.NoError(t, src.Close())
		}
	})
}

func TestConnectMovesASliceToAChannel(t *testing.T) {
	ch := make(chan int, 3)
	require.NoError(t, pipeline.Connect(t.Context(), chanio.FromSlice([]int{1, 2, 3}), chanio.To(ch)))
	require.Equal(t, []int{1, 2, 3}, collect(t, chanio.From(ch)))
}

func TestFromAllocatesNothingPerValue(t *testing.T) {
	ch := make(chan int, 1)
	src, ctx := chanio.From(ch), t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		ch <- 1
		_, _ = src.Recv(ctx)
	}))
	endless := chanio.FromSeq(func(yield func(int) bool) {
		for yield(1) {
		}
	})
	_ = first(t, endless)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = endless.Recv(ctx) }))
	require.NoError(t, endless.Close())
}

func TestFromOfNothingPanics(t *testing.T) {
	require.PanicsWithValue(t, "chanio: From: ch is nil", func() { chanio.From[int](nil) })
	require.PanicsWithValue(t, "chanio: FromSeq: seq is nil", func() { chanio.FromSeq[int](nil) })
}
