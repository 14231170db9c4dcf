package chanio_test

import (
	"context"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// tickets returns a Source of 0, 1 and so on that must be closed, a sink for them, and a record of the undelivered
// ones.
func tickets() (src *chanio.Source[int], sink *chanio.Sink[int], undelivered func() []int) {
	pipe, sink := chanio.PipeOf[int](100)
	var mu sync.Mutex
	var got []int
	return chanio.NewSource(chanio.SourceHooks[int]{
			Next: pipe.Recv, TryNext: pipe.TryRecv, Close: pipe.Close,
			Undelivered: func(v int) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, v)
			},
		}), sink, func() []int {
			mu.Lock()
			defer mu.Unlock()
			return append([]int(nil), got...)
		}
}

func TestG3CloseHandsOverWhatWasPutBack(t *testing.T) {
	src, sink, undelivered := tickets()
	_, err := sink.SendAll(t.Context(), upTo(3)...)
	require.NoError(t, err)
	up := src.Claim("test")
	for range 2 {
		_, err := up.Next(t.Context())
		require.NoError(t, err)
	}
	up.Unread(1)
	up.Unread(0)
	up.Release()
	require.Empty(t, undelivered())
	require.NoError(t, src.Close())
	require.NoError(t, src.Close())
	require.Equal(t, []int{0, 1}, undelivered(), "each once")
}

func TestG3WhatIsPutBackIntoAClosedSourceIsHandedOver(t *testing.T) {
	src, sink, undelivered := tickets()
	require.NoError(t, sink.Send(t.Context(), 7))
	up := src.Claim("test")
	v, err := up.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, up.Close())
	up.Unread(v)
	require.Equal(t, []int{7}, undelivered())
}

func TestWhatIsPutBackIsReceivedBeforeAFailure(t *testing.T) {
	src, sink, undelivered := tickets()
	require.NoError(t, sink.Send(t.Context(), 7))
	up := src.Claim("test")
	v, err := up.Next(t.Context())
	require.NoError(t, err)
	sink.Abort(errBroken)
	_, err = up.Next(t.Context())
	require.Equal(t, errBroken, err)
	up.Unread(v)
	up.Release()
	require.Equal(t, 7, first(t, src))
	_, err = src.Recv(t.Context())
	require.Equal(t, errBroken, err)
	require.Empty(t, undelivered())
}

// TestEveryValueThatMustBeClosedIsReceivedOrHandedOver ends channels by their ctx and by Close while values are in
// transit.
func TestEveryValueThatMustBeClosedIsReceivedOrHandedOver(t *testing.T) {
	for round := range 300 {
		src, sink, undelivered := tickets()
		const total = 20
		_, err := sink.SendAll(t.Context(), upTo(total)...)
		require.NoError(t, err)
		require.NoError(t, sink.Close())
		ctx, cancel := context.WithCancel(t.Context())
		received := 0
		in := src.C(ctx)
		require.Zero(t, cap(in))
		for range in {
			if received++; received == round%5 {
				if round%2 == 0 {
					cancel()
				} else {
					go src.Close()
				}
			}
			if round%3 == 0 {
				runtime.Gosched()
			}
		}
		taken := received
		for range src.All(t.Context()) { // what is left, unless it was closed
			taken++
		}
		if round%2 == 0 {
			require.Equal(t, total, taken+len(undelivered()))
		} else {
			require.NoError(t, src.Close())
			require.LessOrEqual(t, len(undelivered()), 1, "the pipe keeps the rest")
			require.LessOrEqual(t, taken+len(undelivered()), total)
		}
		cancel()
	}
}

func TestUndeliveredOfAnUpstreamIsItsHook(t *testing.T) {
	src, _, undelivered := tickets()
	up := src.Claim("test")
	require.NotNil(t, up.Undelivered())
	up.Undelivered()(5)
	require.Equal(t, []int{5}, undelivered(), "also while the stream is open")
	require.Nil(t, chanio.FromSlice(upTo(1)).Claim("test").Undelivered())
}

// TestG16AHookThatDoesNotReturnUnderAChannel lets each hook of a Source panic or exit in the goroutine of C.
func TestG16AHookThatDoesNotReturnUnderAChannel(t *testing.T) {
	for how, exit := range map[string]func(){"panic": func() { panic(errBroken) }, "Goexit": runtime.Goexit} {
		cause := errBroken
		if how == "Goexit" {
			cause = nil
		}
		for name, hooks := range map[string]chanio.SourceHooks[int]{
			"Next": {Next: func(context.Context) (int, error) { exit(); return 0, nil }},
			"Next and Close": {
				Next:  func(context.Context) (int, error) { exit(); return 0, nil },
				Close: func() error { exit(); return nil },
			},
			"Undelivered": {
				Next:        func(context.Context) (int, error) { return 1, nil },
				Undelivered: func(int) { exit() },
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				src := chanio.NewSource(hooks)
				ctx, cancel := context.WithCancel(t.Context())
				in := src.C(ctx)
				synctest.Wait()
				cancel()
				for range in {
				}
				requirePanicError(t, src.Err(), cause)
				_, err := src.Recv(t.Context())
				requirePanicError(t, err, cause)
				require.True(t, isClosed(src.Done()), "%s in %s", how, name)
			})
		}
	}
}

func TestG16AHookThatDoesNotReturnUnderACallEndsTheSource(t *testing.T) {
	calls := map[string]func(ctx context.Context, src *chanio.Source[[]byte]){
		"Recv":    func(ctx context.Context, src *chanio.Source[[]byte]) { _, _ = src.Recv(ctx) },
		"All":     func(ctx context.Context, src *chanio.Source[[]byte]) { src.All(ctx)(func([]byte) bool { return true }) },
		"ReadAll": func(ctx context.Context, src *chanio.Source[[]byte]) { _, _ = chanio.ReadAll(ctx, src, 10) },
		"Transfer": func(ctx context.Context, src *chanio.Source[[]byte]) {
			_, _ = chanio.Transfer(ctx, src, chanio.ToWriter(io.Discard))
		},
	}
	for name, call := range calls {
		src := chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(context.Context) ([]byte, error) { panic(errBroken) }})
		require.PanicsWithValue(t, errBroken, func() { call(t.Context(), src) }, name)
		requirePanicError(t, src.Err(), errBroken)
		_, err := src.Recv(t.Context()) // it was let go
		requirePanicError(t, err, errBroken)

		src = chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(context.Context) ([]byte, error) { runtime.Goexit(); return nil, nil }})
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			call(t.Context(), src)
		}()
		<-gone
		requirePanicError(t, src.Err(), nil)
	}
}

// TestG16WhoComesAfterAPanicFindsTheEnd has a consumer that waits for the hand-over while the hook panics.
func TestG16WhoComesAfterAPanicFindsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := 0
		src := chanio.NewSource(chanio.SourceHooks[int]{Next: func(context.Context) (int, error) {
			calls++
			<-release
			panic(errBroken)
		}})
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan any)
		go func() {
			defer func() { gone <- recover() }()
			_, _ = src.Recv(ctx)
		}()
		synctest.Wait()
		cancel()
		res := make(chan error)
		go func() { _, err := src.Recv(t.Context()); res <- err }()
		synctest.Wait()
		close(release)
		require.Equal(t, errBroken, <-gone)
		requirePanicError(t, <-res, errBroken)
		require.Equal(t, 1, calls, "a hook that panicked is not called again")
	})
}
