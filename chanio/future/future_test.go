package future_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
)

var errBroken = errors.New("broken")

func TestFutureIsDecidedOnce(t *testing.T) {
	var f future.Future[int]
	require.NoError(t, f.Err())
	require.True(t, f.Complete(1))
	require.False(t, f.Complete(2))
	require.False(t, f.Fail(errBroken))
	v, err := f.Await(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, v)
	<-f.Done()
}

func TestFutureOfManyDecidersIsDecidedOnce(t *testing.T) {
	for range 200 {
		var f future.Future[int]
		var all sync.WaitGroup
		var won [4]bool
		for i := range won {
			all.Go(func() { won[i] = f.Complete(i) })
		}
		v, err := f.Await(t.Context())
		require.NoError(t, err)
		all.Wait()
		for i := range won {
			require.Equal(t, i == v, won[i])
		}
	}
}

func TestFutureThatIsOverWinsOverAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBroken)
	var f future.Future[int]
	_, err := f.Await(ctx)
	require.Equal(t, errBroken, err)
	f.Complete(1)
	v, err := f.Await(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, v)
}

func TestAwaitShowsNoCauseThatLooksLikeTheEndOfAStream(t *testing.T) {
	for _, cause := range []error{io.EOF, net.ErrClosed} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err := new(future.Future[int]).Await(ctx)
		require.Equal(t, context.Canceled, err)
	}
}

func TestG2CancelledAwaitChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f future.Future[int]
		ctx, cancel := context.WithCancel(t.Context())
		res := make(chan error)
		go func() {
			_, err := f.Await(ctx)
			res <- err
		}()
		synctest.Wait()
		cancel()
		require.Equal(t, context.Canceled, <-res)
		require.True(t, f.Complete(1))
	})
}

func TestFutureAsAChannelOfOne(t *testing.T) {
	for name, early := range map[string]bool{"before": true, "after": false} {
		var f, g future.Future[int]
		if early {
			f.C()
			g.C()
		}
		f.Complete(1)
		g.Fail(errBroken)
		require.Equal(t, f.C(), f.C())
		v, ok := <-f.C()
		require.True(t, ok, name)
		require.Equal(t, 1, v, name)
		_, ok = <-f.C()
		require.False(t, ok, name)
		_, ok = <-g.C()
		require.False(t, ok, name)
		require.Equal(t, errBroken, g.Err(), name)
	}
}

func TestGoReturnsWhatItsFunctionDoes(t *testing.T) {
	v, err := future.Go(t.Context(), func(context.Context) (int, error) { return 1, nil }).Await(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, v)
	v, err = future.Go(t.Context(), func(context.Context) (int, error) { return 1, errBroken }).Await(t.Context())
	require.Equal(t, errBroken, err)
	require.Zero(t, v)
}

func TestG11FailingTheFutureOfGoCancelsItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			ended = true
			return 0, ctx.Err()
		})
		synctest.Wait()
		require.True(t, f.Fail(errBroken))
		synctest.Wait()
		require.True(t, ended)
		require.Equal(t, errBroken, f.Err())
	})
}

func TestG11WorkOfGoEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		_, err := f.Await(t.Context())
		require.Equal(t, context.DeadlineExceeded, err)
	})
}

func TestG16PanicInGoFailsItsFuture(t *testing.T) {
	for want, fn := range map[any]func(context.Context) (int, error){
		"broken": func(context.Context) (int, error) { panic("broken") },
		nil:      func(context.Context) (int, error) { runtime.Goexit(); return 0, nil },
	} {
		_, err := future.Go(t.Context(), fn).Await(t.Context())
		var p *chanio.PanicError
		require.ErrorAs(t, err, &p)
		require.Equal(t, want, p.Value)
		require.NotEmpty(t, p.Stack)
	}
}

func TestThenFollowsTheValueAndPassesTheFailureOn(t *testing.T) {
	var f, g future.Future[int]
	double := func(n int) (int, error) { return 2 * n, nil }
	after, failed := future.Then(&f, double), future.Then(&g, double)
	f.Complete(2)
	g.Fail(errBroken)
	v, err := after.Await(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, v)
	require.Equal(t, errBroken, failed.Err())

	late := future.Then(&f, func(int) (string, error) { return "", errBroken })
	require.Equal(t, errBroken, late.Err())
}

func TestThenIsSkippedWhenItsResultIsWantedNoMore(t *testing.T) {
	var f future.Future[int]
	out := future.Then(&f, func(int) (int, error) { t.Error("runs"); return 0, nil })
	last := future.Then(out, func(int) (int, error) { t.Error("runs"); return 0, nil })
	out.Fail(errBroken)
	f.Complete(1)
	require.Equal(t, errBroken, last.Err())
	require.NoError(t, f.Err())
}

func TestG16PanicInThenFailsOnlyWhatFollows(t *testing.T) {
	var f future.Future[int]
	bad := future.Then(&f, func(int) (int, error) { panic("broken") })
	good := future.Then(&f, func(n int) (int, error) { return n, nil })
	require.True(t, f.Complete(1))
	var p *chanio.PanicError
	require.ErrorAs(t, bad.Err(), &p)
	v, err := good.Await(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, v)
}

func TestG16GoexitInThenStopsNoOther(t *testing.T) {
	var f future.Future[int]
	bad := future.Then(&f, func(int) (int, error) { runtime.Goexit(); return 0, nil })
	good := future.Then(&f, func(n int) (int, error) { return n, nil })
	go f.Complete(1)
	_, err := good.Await(t.Context())
	require.NoError(t, err)
	var p *chanio.PanicError
	require.ErrorAs(t, bad.Err(), &p)
}

func TestThenGoesAsDeepAsNeeded(t *testing.T) {
	var f future.Future[int]
	last := &f
	for range 20_000 {
		last = future.Then(last, func(n int) (int, error) { return n + 1, nil })
	}
	f.Complete(0)
	v, err := last.Await(t.Context())
	require.NoError(t, err)
	require.Equal(t, 20_000, v)
}

func TestZipWaitsForAllAndFailsWithTheFirst(t *testing.T) {
	var a, b, c future.Future[int]
	both, bad := future.All(&a, &b), future.All(&a, &b, &c)
	b.Complete(2)
	require.NoError(t, bad.Err())
	c.Fail(errBroken)
	require.Equal(t, errBroken, bad.Err(), "a is still pending")
	a.Complete(1)
	v, err := both.Await(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, v)
	v, err = future.All[int]().Await(t.Context())
	require.NoError(t, err)
	require.Empty(t, v)
}

func TestAnyIsTheFirstValue(t *testing.T) {
	var a, b, c future.Future[int]
	f := future.Any(&a, &b, &c)
	b.Fail(errBroken)
	c.Complete(3)
	a.Complete(1)
	v, err := f.Await(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, v)
}

func TestAnyFailsWithAllErrorsInOrder(t *testing.T) {
	var a, b future.Future[int]
	f := future.Any(&a, &b)
	b.Fail(errors.New("second"))
	require.NoError(t, f.Err())
	a.Fail(errBroken)
	require.EqualError(t, f.Err(), "broken\nsecond")
	require.ErrorIs(t, f.Err(), errBroken)
	require.EqualError(t, future.Any[int]().Err(), "future: Any: no futures")
}

func TestWithTimeoutFailsItsOwnFutureAtTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f future.Future[int]
		start := time.Now()
		_, err := f.WithTimeout(time.Minute).Await(t.Context())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		require.True(t, f.Complete(1), "f is still pending")
		v, err := f.WithTimeout(0).Await(t.Context())
		require.NoError(t, err, "what is there is in time")
		require.Equal(t, 1, v)
	})
}

func TestWithTimeoutOfAValueInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f future.Future[int]
		time.AfterFunc(time.Second, func() { f.Fail(errBroken) })
		_, err := f.WithTimeout(time.Minute).Await(t.Context())
		require.Equal(t, errBroken, err)
	})
}

// TestG8AbandonedWaitersOfAFutureLeaveNothingBehind holds that a Future that stays pending does not gather what was
// once derived of it.
func TestG8AbandonedWaitersOfAFutureLeaveNothingBehind(t *testing.T) {
	var f future.Future[int]
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	for range 20_000 {
		future.Then(&f, func(n int) (int, error) { return n, nil }).Fail(errBroken)
		future.Any(&f).Fail(errBroken)
		future.All(&f).Fail(errBroken)
	}
	require.Less(t, live(), before+1<<20)
	f.Complete(1)
}

func TestAwaitOfACompletedFutureAllocatesNothing(t *testing.T) {
	var f future.Future[int]
	f.Complete(1)
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = f.Await(ctx) }))
}

func TestFailingAFutureWithNothingPanics(t *testing.T) {
	require.PanicsWithValue(t, "future: Fail: err is nil", func() { new(future.Future[int]).Fail(nil) })
}
