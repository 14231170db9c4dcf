package chanio_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestG1ASinkThatFailsBetweenTwoCallsSaysWhy(t *testing.T) {
	sink := chanio.NewSink(chanio.SinkHooks[int]{Send: func(context.Context, int) error { return nil }})
	require.NoError(t, sink.Send(t.Context(), 1))
	told := make(chan struct{})
	sink.OnDone(func() { close(told) })
	broken := errors.New("broken")
	sink.Abort(broken)
	<-told
	<-sink.Done()
	require.Equal(t, broken, sink.Send(t.Context(), 2))
	require.Equal(t, broken, sink.Err())
	require.Equal(t, broken, sink.Close())
	ok, err := sink.TrySend(3)
	require.False(t, ok)
	require.Equal(t, broken, err)
}

func TestG4HooksOfASinkAreCalledAsPromised(t *testing.T) {
	for range 100 {
		var closes atomic.Int32
		sink := chanio.NewSink(chanio.SinkHooks[int]{
			Send:  func(context.Context, int) error { return nil },
			Close: func() error { closes.Add(1); return nil },
		})
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { require.NoError(t, sink.Close()) })
			all.Go(func() { _ = sink.Send(t.Context(), 1) })
		}
		all.Wait()
		require.EqualValues(t, 1, closes.Load())
		require.ErrorIs(t, sink.Send(t.Context(), 1), net.ErrClosed)
	}
}

func TestG5CloseReturnsTheSameToEverybody(t *testing.T) {
	broken := errors.New("broken")
	sink := chanio.NewSink(chanio.SinkHooks[int]{
		Send:  func(context.Context, int) error { return nil },
		Close: func() error { return broken },
	})
	for range 3 {
		require.Equal(t, broken, sink.Close())
	}
	require.Equal(t, broken, sink.Err())
}

func TestG16APanicUnderTheChannelOfASinkEndsIt(t *testing.T) {
	broken := errors.New("broken")
	sink := chanio.NewSink(chanio.SinkHooks[int]{Send: func(context.Context, int) error { panic(broken) }})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sink.C(ctx) <- 1
	<-sink.Done()
	requirePanicError(t, sink.Err(), broken)
}

// A value that the endpoint rejects ends a Sink that is fed through its channel, because nobody else could receive the
// error. Otherwise the Sink is not affected.
func TestG15ARefusedValueIsReported(t *testing.T) {
	odd := errors.New("odd")
	sink := chanio.NewSink(chanio.SinkHooks[int]{Send: func(_ context.Context, v int) error {
		if v%2 == 1 {
			return odd
		}
		return nil
	}})
	require.Equal(t, odd, sink.Send(t.Context(), 1))
	require.NoError(t, sink.Send(t.Context(), 2))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sink.C(ctx) <- 3
	<-sink.Done()
	require.Equal(t, odd, sink.Err())
}

func TestG1TheCauseOfAnAbortOutlivesTheCloseThatItInterrupted(t *testing.T) {
	why, closing := errors.New("why"), make(chan struct{})
	aborted := make(chan struct{})
	s := chanio.NewSink(chanio.SinkHooks[int]{
		Send:  func(context.Context, int) error { return nil },
		Close: func() error { close(closing); <-aborted; return net.ErrClosed },
		Abort: func(error) { close(aborted) },
	})
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	<-closing
	s.Abort(why)
	require.ErrorIs(t, <-closed, why)
	require.ErrorIs(t, s.Err(), why)
}
