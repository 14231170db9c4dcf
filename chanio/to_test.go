package chanio_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestG2CancelledSendToAFullChannelSentNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int, 1)
		sink := chanio.To(ch)
		require.NoError(t, sink.Send(t.Context(), 1))
		ctx, cancel := context.WithCancel(t.Context())
		res := make(chan error)
		go func() { res <- sink.Send(ctx, 2) }()
		synctest.Wait()
		cancel()
		require.Equal(t, context.Canceled, <-res)
		require.NoError(t, sink.Close())
		require.Equal(t, []int{1}, collect(t, chanio.From(ch)))
	})
}

func TestToTrySendNeverWaits(t *testing.T) {
	ch := make(chan int, 1)
	sink := chanio.To(ch)
	ok, err := sink.TrySend(1)
	require.True(t, ok)
	require.NoError(t, err)
	ok, err = sink.TrySend(2)
	require.False(t, ok)
	require.NoError(t, err)
	require.NoError(t, sink.Flush(t.Context()))
	require.NoError(t, sink.Close())
	ok, err = sink.TrySend(3)
	require.False(t, ok)
	require.Equal(t, net.ErrClosed, err)
	require.Equal(t, []int{1}, collect(t, chanio.From(ch)))
}

func TestG4ClosingToUnblocksItsSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		sink := chanio.To(ch)
		res := make(chan error, 3)
		for range 3 {
			go func() { res <- sink.Send(t.Context(), 1) }()
		}
		synctest.Wait()
		require.NoError(t, sink.Close())
		for range 3 {
			require.Equal(t, net.ErrClosed, <-res)
		}
		_, ok := <-ch
		require.False(t, ok)
	})
}

func TestG5AbortingToTellsTheSendersWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		sink := chanio.To(ch)
		res := make(chan error)
		go func() { res <- sink.Send(t.Context(), 1) }()
		synctest.Wait()
		why := errors.New("no more")
		sink.Abort(why)
		require.Equal(t, why, <-res)
		_, ok := <-ch
		require.False(t, ok)
		require.Equal(t, why, sink.Err())
		require.Equal(t, why, sink.Close())
	})
}

// TestG4CloseRacesWithSend checks that the channel is closed only after the last send. Otherwise the test panics.
func TestG4CloseRacesWithSend(t *testing.T) {
	for range 300 {
		ch := make(chan int, 4)
		sink := chanio.To(ch)
		var accepted [3]int
		var all sync.WaitGroup
		for i := range accepted {
			all.Go(func() {
				for sink.Send(t.Context(), i) == nil {
					accepted[i]++
				}
			})
		}
		for range 2 {
			all.Go(func() { _ = sink.Close() })
		}
		all.Go(func() { sink.Abort(nil) })
		var got [3]int
		for i := range ch {
			got[i]++
		}
		all.Wait()
		require.Equal(t, accepted, got, "what was accepted is in the channel")
	}
}

func TestToAllocatesNothingPerValue(t *testing.T) {
	ch := make(chan int, 1)
	sink, ctx := chanio.To(ch), t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = sink.Send(ctx, 1)
		<-ch
	}))
}

func TestToNothingPanics(t *testing.T) {
	require.PanicsWithValue(t, "chanio: To: ch is nil", func() { chanio.To[int](nil) })
}
