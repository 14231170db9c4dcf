package chanio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestG1PipeOfDrainsAfterClose(t *testing.T) {
	src, sink := chanio.PipeOf[int](2)
	require.NoError(t, sink.Send(t.Context(), 1))
	require.NoError(t, sink.Send(t.Context(), 2))
	require.NoError(t, sink.Close())
	require.NoError(t, sink.Close())
	require.Equal(t, net.ErrClosed, sink.Send(t.Context(), 3))
	require.Equal(t, []int{1, 2}, collect(t, src))
	require.NoError(t, sink.Err())
}

func TestG5AbortOvertakesWhatThePipeHolds(t *testing.T) {
	why := errors.New("no more")
	for name, closed := range map[string]bool{"while open": false, "after Close": true} {
		src, sink := chanio.PipeOf[int](2)
		require.NoError(t, sink.Send(t.Context(), 1))
		want := why
		if closed {
			require.NoError(t, sink.Close())
			want = net.ErrClosed // the Sink has ended well, whatever becomes of what it sent
		}
		sink.Abort(why)
		_, err := src.Recv(t.Context())
		require.Equal(t, why, err, name)
		require.Equal(t, why, src.Err(), name)
		require.Equal(t, want, sink.Send(t.Context(), 2), name)
	}
}

func TestG5AbortWakesTheReceiverWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("no more")
		for range 50 {
			src, sink := chanio.PipeOf[int](0)
			res := make(chan error)
			go func() {
				_, err := src.Recv(t.Context())
				res <- err
			}()
			synctest.Wait()
			sink.Abort(why)
			require.Equal(t, why, <-res)
		}
	})
}

func TestG3ClosingTheSourceEndsAnIdleSink(t *testing.T) {
	src, sink := chanio.PipeOf[int](1)
	told := make(chan struct{})
	sink.OnDone(func() { close(told) })
	require.NoError(t, src.Close())
	<-told
	<-sink.Done()
	require.Equal(t, net.ErrClosed, sink.Send(t.Context(), 1))
	require.Equal(t, net.ErrClosed, sink.Err())
	require.Equal(t, net.ErrClosed, sink.Close())
}

func TestG3ClosingTheSourceUnblocksSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := chanio.PipeOf[int](0)
		res := make(chan error)
		go func() { res <- sink.Send(t.Context(), 1) }()
		synctest.Wait()
		require.NoError(t, src.Close())
		require.Equal(t, net.ErrClosed, <-res)
	})
}

func TestG2CancelledCallsOnAPipeHadNoEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := chanio.PipeOf[int](0)
		ctx, cancel := context.WithCancel(t.Context())
		res := make(chan error)
		go func() { res <- sink.Send(ctx, 1) }()
		synctest.Wait()
		cancel()
		require.Equal(t, context.Canceled, <-res)

		ctx, cancel = context.WithCancel(t.Context())
		go func() {
			_, err := src.Recv(ctx)
			res <- err
		}()
		synctest.Wait()
		cancel()
		require.Equal(t, context.Canceled, <-res)

		go func() { res <- sink.Send(t.Context(), 2) }()
		require.Equal(t, 2, first(t, src))
		require.NoError(t, <-res)
	})
}

func TestG8SendersWaitInOrderWhenThePipeIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := chanio.PipeOf[int](1)
		require.NoError(t, sink.Send(t.Context(), 0))
		accepted := 0
		for i := 1; i <= 3; i++ {
			go func() {
				if sink.Send(t.Context(), i) == nil {
					accepted++
				}
			}()
			synctest.Wait()
		}
		require.Equal(t, 0, accepted)
		for i := range 3 {
			require.Equal(t, i, first(t, src))
			synctest.Wait()
			require.Equal(t, i+1, accepted)
		}
	})
}

func TestG10ValuesOfManySendersAllArriveOnce(t *testing.T) {
	const senders, each = 4, 500
	for _, capacity := range []int{0, 1, 16} {
		src, sink := chanio.PipeOf[[2]int](capacity)
		var all sync.WaitGroup
		for i := range senders {
			all.Go(func() {
				for n := range each {
					_ = sink.Send(t.Context(), [2]int{i, n})
				}
			})
		}
		go func() {
			all.Wait()
			_ = sink.Close()
		}()
		var next [senders]int
		for v := range src.C(t.Context()) {
			require.Equal(t, next[v[0]], v[1])
			next[v[0]]++
		}
		require.NoError(t, src.Err())
		require.Equal(t, [senders]int{each, each, each, each}, next)
	}
}

func TestG4EverythingOnAPipeAtOnce(t *testing.T) {
	for i := range 300 {
		src, sink := chanio.PipeOf[int](i % 3)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for sink.Send(t.Context(), 1) == nil {
				}
			})
			all.Go(func() { _ = sink.Close() })
			all.Go(func() { _ = src.Close() })
			all.Go(func() { sink.Abort(io.ErrUnexpectedEOF) })
		}
		all.Go(func() {
			for {
				if _, err := src.Recv(t.Context()); err != nil {
					return
				}
			}
		})
		all.Wait()
		<-sink.Done()
		<-src.Done()
	}
}

func TestPipeOfAllocatesNothingPerValue(t *testing.T) {
	src, sink := chanio.PipeOf[int](1)
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = sink.Send(ctx, 1)
		_, _ = src.Recv(ctx)
	}))
}

func TestPipeOfNegativeCapacityPanics(t *testing.T) {
	require.PanicsWithValue(t, "chanio: PipeOf: capacity must be at least 0, got -1", func() { chanio.PipeOf[int](-1) })
}
