package chanio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// waiting returns a Source that yields nothing until it is closed, and counts the calls of its hooks.
func waiting() (src *chanio.Source[int], nexts, closes *atomic.Int32) {
	nexts, closes = new(atomic.Int32), new(atomic.Int32)
	stopped := make(chan struct{})
	src = chanio.NewSource(chanio.SourceHooks[int]{
		Next: func(ctx context.Context) (int, error) {
			nexts.Add(1)
			select {
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			case <-stopped:
				return 0, errors.New("stopped")
			}
		},
		Close: func() error {
			closes.Add(1)
			close(stopped)
			return nil
		},
	})
	return src, nexts, closes
}

func TestG1TheFirstEndCounts(t *testing.T) {
	broken := errors.New("broken")
	calls, closes := 0, 0
	src := chanio.NewSource(chanio.SourceHooks[int]{
		Next: func(context.Context) (int, error) {
			if calls++; calls == 1 {
				return 7, nil
			}
			return 0, broken
		},
		Close: func() error { closes++; return nil },
	})
	v, err := src.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, 7, v)
	for range 3 {
		_, err = src.Recv(t.Context())
		require.Equal(t, broken, err)
	}
	require.NoError(t, src.Close())
	_, err = src.Recv(t.Context())
	require.Equal(t, broken, err, "a later Close does not change why it ended")
	require.Equal(t, broken, src.Err())
	require.Equal(t, 2, calls, "Next is not called after the end")
	require.Equal(t, 1, closes, "the producer of a stream that failed is told once")
}

func TestG1ErrIsOfTheLatestRangeUntilTheStreamHasEnded(t *testing.T) {
	src := chanio.FromSlice([]int{1, 2, 3})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	for range src.C(ctx) {
	}
	require.Equal(t, why, src.Err())
	for v := range src.All(t.Context()) {
		if v == 2 {
			break
		}
	}
	require.NoError(t, src.Err(), "a range that was left has no error")
	for range src.All(t.Context()) {
	}
	require.NoError(t, src.Err())
	_, err := src.Recv(ctx)
	require.Equal(t, why, err, "of a ctx that had ended")
	_, err = src.Recv(t.Context())
	require.Equal(t, io.EOF, err)
}

// G2 of a Source: what ctx stopped is not the end, whatever its error is.
func TestG2AnErrorOfCtxEndsTheCallOnly(t *testing.T) {
	src, nexts, closes := waiting()
	for _, why := range []error{context.Canceled, errors.New("why")} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		_, err := src.Recv(ctx)
		require.Equal(t, why, err)
		require.NoError(t, src.Err())
	}
	require.EqualValues(t, 2, nexts.Load())
	require.Zero(t, closes.Load())
}

func TestG3CloseReachesTheHookAtOnceThroughStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, _, closes := waiting()
		out := pipeline.Filter(pipeline.Map(src, func(i int) int { return -i }), func(int) bool { return true })
		got := make(chan error)
		go func() {
			_, err := out.Recv(t.Context())
			got <- err
		}()
		synctest.Wait()
		require.NoError(t, out.Close())
		require.ErrorIs(t, <-got, net.ErrClosed)
		require.EqualValues(t, 1, closes.Load())
	})
}

func TestG4TheHookOfCloseIsCalledOnce(t *testing.T) {
	for range 100 {
		src, _, closes := waiting()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { _ = src.Close() })
		}
		all.Go(func() { _, _ = src.Recv(t.Context()) })
		all.Go(func() { _ = src.Err() })
		all.Go(func() { <-src.Done() })
		all.Wait()
		require.EqualValues(t, 1, closes.Load())
	}
}

func TestG9ASecondConsumerIsToldWhoTheFirstIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, _, _ := waiting()
		stage := pipeline.Map(src, func(i int) int { return i })
		require.PanicsWithValue(t,
			"chanio: this Source already has a consumer, pipeline.Map; to give its values to several consumers, use pipeline.Tee",
			func() { src.C(t.Context()) })
		ctx, cancel := context.WithCancel(t.Context())
		go stage.Recv(ctx)
		synctest.Wait()
		require.PanicsWithValue(t,
			"chanio: this Source already has a consumer, another Recv, All or C; to give its values to several consumers, use pipeline.Tee",
			func() { _, _ = stage.Recv(t.Context()) })
		cancel()
		synctest.Wait()
		require.NoError(t, stage.Close())
	})
}

// panicking returns a Source that calls f, which does not return, instead of yielding a second value.
func panicking(f func()) (src *chanio.Source[int], closes *atomic.Int32) {
	calls := 0
	closes = new(atomic.Int32)
	return chanio.NewSource(chanio.SourceHooks[int]{
		Next: func(context.Context) (int, error) {
			if calls++; calls > 1 {
				f()
			}
			return calls, nil
		},
		Close: func() error { closes.Add(1); return nil },
	}), closes
}

func TestG16APanicPropagatesToTheReceiverAndEndsTheSource(t *testing.T) {
	broken := errors.New("broken")
	src, closes := panicking(func() { panic(broken) })
	_, err := src.Recv(t.Context())
	require.NoError(t, err)
	require.PanicsWithValue(t, broken, func() { _, _ = src.Recv(t.Context()) })
	requirePanicError(t, src.Err(), broken)
	_, err = src.Recv(t.Context())
	requirePanicError(t, err, broken)
	require.EqualValues(t, 1, closes.Load())
}

func TestG16APanicUnderAChannelEndsTheSourceAndNotTheProcess(t *testing.T) {
	broken := errors.New("broken")
	src, closes := panicking(func() { panic(broken) })
	n := 0
	for range src.C(t.Context()) {
		n++
	}
	require.Equal(t, 1, n)
	requirePanicError(t, src.Err(), broken)
	require.EqualValues(t, 1, closes.Load())
}

func TestG16GoexitEndsTheSource(t *testing.T) {
	src, _ := panicking(runtime.Goexit)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			_, _ = src.Recv(t.Context())
		}
	}()
	<-gone
	requirePanicError(t, src.Err(), nil)
	src, _ = panicking(runtime.Goexit)
	for range src.C(t.Context()) {
	}
	requirePanicError(t, src.Err(), nil)
}

func requirePanicError(t *testing.T, err error, cause error) {
	t.Helper()
	var p *chanio.PanicError
	require.ErrorAs(t, err, &p)
	require.NotEmpty(t, p.Stack)
	if cause == nil {
		require.Nil(t, p.Value)
		return
	}
	require.ErrorIs(t, err, cause)
}

func TestASourceLendsAndTakesBackOrDoesNeither(t *testing.T) {
	next := func(context.Context) (int, error) { return 0, io.EOF }
	lend, unlend := func(dst []int) []int { return dst }, func([]int) {}
	const wrong = "chanio: NewSource: only one of Lend and Unlend is nil"
	require.PanicsWithValue(t, wrong, func() { chanio.NewSource(chanio.SourceHooks[int]{Next: next, Lend: lend}) })
	require.PanicsWithValue(t, wrong, func() { chanio.NewSource(chanio.SourceHooks[int]{Next: next, Unlend: unlend}) })
	require.PanicsWithValue(t, "chanio: NewSource: Await without Lend", func() {
		chanio.NewSource(chanio.SourceHooks[int]{Next: next, Await: func(context.Context) error { return nil }})
	})
	both := chanio.NewSource(chanio.SourceHooks[int]{Next: next, Lend: lend, Unlend: unlend}).Claim("a test")
	require.True(t, both.Lends())
	require.False(t, chanio.NewSource(chanio.SourceHooks[int]{Next: next}).Claim("a test").Lends())
}
