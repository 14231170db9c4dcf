package pipeline_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// stamps receives n values and returns when each came, counted from the start.
func stamps[T any](t *testing.T, s *chanio.Source[T], n int) []time.Duration {
	t.Helper()
	start := time.Now()
	var at []time.Duration
	for range n {
		_, err := s.Recv(t.Context())
		require.NoError(t, err)
		at = append(at, time.Since(start))
	}
	return at
}

func ms(n ...int) []time.Duration {
	var all []time.Duration
	for _, n := range n {
		all = append(all, time.Duration(n)*time.Millisecond)
	}
	return all
}

func TestThrottleIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pipeline.Throttle(ints(), 100*time.Millisecond, 1)
		require.Equal(t, ms(0, 100, 200, 300), stamps(t, s, 4))
		time.Sleep(time.Second) // a pause saves up nothing
		require.Equal(t, ms(0, 100, 200), stamps(t, s, 3))
	})
}

func TestThrottleLetsABurstThroughAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pipeline.Throttle(ints(), 100*time.Millisecond, 3)
		require.Equal(t, ms(0, 0, 0, 100, 200), stamps(t, s, 5))
		time.Sleep(250 * time.Millisecond)
		require.Equal(t, ms(0, 0, 50, 150), stamps(t, s, 4))
		time.Sleep(time.Hour)
		require.Equal(t, ms(0, 0, 0, 100), stamps(t, s, 4))
	})
}

func TestG2ThrottleKeepsTheValueOfACancelledRecv(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pipeline.Throttle(of(1, 2), time.Second, 1)
		require.Equal(t, ms(0), stamps(t, s, 1))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := s.Recv(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		v, err := s.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, v)
		start := time.Now()
		_, err = s.Recv(t.Context())
		require.Equal(t, io.EOF, err)
		require.Zero(t, time.Since(start)) // an end is not delayed
	})
}

func TestBatchDelayCountsFromTheFirstValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch[int]()
		s := pipeline.Batch(w.Source, 3, 100*time.Millisecond)
		go func() {
			for i := range 6 { // at 0, 60, 120, ...
				w.in <- i
				time.Sleep(60 * time.Millisecond)
			}
			w.fail <- io.EOF
		}()
		start := time.Now()
		for _, want := range []struct {
			batch []int
			at    int
		}{{[]int{0, 1}, 100}, {[]int{2, 3}, 220}, {[]int{4, 5}, 340}} {
			got, err := s.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, want.batch, got)
			require.Equal(t, ms(want.at)[0], time.Since(start))
		}
		_, err := s.Recv(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

func TestG2BatchKeepsItsValuesAndItsDelayWhenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(1, 2)
		s := pipeline.Batch(w.Source, 3, 100*time.Millisecond)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			_, err := s.Recv(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.Equal(t, ms(10), stamps(t, s, 1))
		w.in <- 3
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		_, err := s.Recv(ctx)
		require.Error(t, err)
		time.Sleep(time.Second)
		got, err := s.Recv(t.Context()) // it is long due
		require.NoError(t, err)
		require.Equal(t, []int{3}, got)
		require.NoError(t, s.Close())
	})
}

func TestWindowEndsOnTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which begins at midnight UTC, 2000-01-01
		w := watch[int]()
		s := pipeline.Window(w.Source, time.Second, 100)
		time.Sleep(300 * time.Millisecond)
		go func() {
			for i := range 5 { // at 0.3, 0.7, 1.1, 1.5, 1.9
				w.in <- i
				time.Sleep(400 * time.Millisecond)
			}
			time.Sleep(2 * time.Second) // at 4.3
			w.fail <- errBoom
		}()
		var got []pipeline.Span[[]int]
		for {
			span, err := s.Recv(t.Context())
			if err != nil {
				require.ErrorIs(t, err, errBoom)
				break
			}
			got = append(got, span)
		}
		require.Len(t, got, 4)
		midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		for i, want := range [][]int{{0, 1}, {2, 3, 4}, nil, nil} {
			require.Equal(t, want, got[i].Value)
			require.True(t, midnight.Add(time.Duration(i+1)*time.Second).Equal(got[i].End), got[i].End)
			if i > 0 {
				require.Equal(t, got[i-1].End, got[i].Start)
			}
		}
		require.Equal(t, 300*time.Millisecond, got[0].Start.Sub(midnight))
	})
}

func TestWindowGivesALateReceiverEachSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch[int]()
		s := pipeline.Rollup(w.Source, time.Second, func() int { return 0 }, func(a, v int) int { return a + v })
		w.in <- 1
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		_, err := s.Recv(ctx)
		require.Error(t, err)
		time.Sleep(3 * time.Second) // to 3.5
		w.in <- 10
		require.Equal(t, ms(0, 0, 0, 500), func() (at []time.Duration) {
			start := time.Now()
			for _, want := range []int{1, 0, 0, 10} {
				span, err := s.Recv(t.Context())
				require.NoError(t, err)
				require.Equal(t, want, span.Value)
				at = append(at, time.Since(start))
			}
			return at
		}())
	})
}

func TestG8AFullWindowHoldsItsSourceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(upto(5)...)
		s := pipeline.Window(w.Source, time.Second, 2)
		var got [][]int
		for range 2 {
			span, err := s.Recv(t.Context())
			require.NoError(t, err)
			got = append(got, span.Value)
			require.EqualValues(t, 2*len(got), w.taken.Load())
		}
		require.Equal(t, [][]int{{0, 1}, {2, 3}}, got)

		end := make(chan error)
		go func() {
			time.Sleep(100 * time.Millisecond)
			w.in <- 5
			time.Sleep(100 * time.Millisecond)
			end <- s.Close()
		}()
		start := time.Now()
		span, err := s.Recv(t.Context()) // full, and closed while it waits for the clock
		require.NoError(t, err)
		require.Equal(t, []int{4, 5}, span.Value)
		require.Equal(t, 200*time.Millisecond, time.Since(start))
		require.NoError(t, <-end)
		_, err = s.Recv(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestPeriodically(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Millisecond)
		ticks := 0
		s := pipeline.Periodically(100*time.Millisecond, func(at time.Time) int {
			require.Zero(t, at.Nanosecond()%int(100*time.Millisecond))
			ticks++
			return ticks
		})
		require.Equal(t, ms(70, 170, 270), stamps(t, s, 3))
		time.Sleep(250 * time.Millisecond) // late: two are due, then on the clock again
		require.Equal(t, ms(0, 0, 50), stamps(t, s, 3))
		require.Equal(t, 6, ticks)

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := s.Recv(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, ms(90), stamps(t, s, 1))

		got := make(chan error)
		go func() {
			_, err := s.Recv(t.Context())
			got <- err
		}()
		synctest.Wait()
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-got, net.ErrClosed)
	})
}

func TestTimeoutCountsOnlyTheTimeSpentWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(1, 2)
		s := pipeline.Timeout(w.Source, time.Second)
		require.Equal(t, ms(0), stamps(t, s, 1))
		time.Sleep(time.Hour) // nobody receives
		require.Equal(t, ms(0), stamps(t, s, 1))
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
			_, err := s.Recv(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.False(t, w.isClosed())
			time.Sleep(time.Hour)
		}
		start := time.Now()
		_, err := s.Recv(t.Context())
		require.Equal(t, 200*time.Millisecond, time.Since(start))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		var ne net.Error
		require.True(t, errors.As(err, &ne) && ne.Timeout())
		require.True(t, w.isClosed())
	})
}

func TestTimeoutStartsAnewWithEveryValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch[int]()
		s := pipeline.Timeout(w.Source, time.Second)
		go func() {
			for i := range 3 {
				time.Sleep(900 * time.Millisecond)
				w.in <- i
			}
		}()
		require.Equal(t, ms(900, 1800, 2700), stamps(t, s, 3))
		start := time.Now()
		_, err := s.Recv(t.Context())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestTimedStagesNest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(1)
		s := pipeline.Batch(pipeline.Timeout(pipeline.Batch(w.Source, 10, 100*time.Millisecond), time.Second),
			10, 300*time.Millisecond)
		start := time.Now()
		got, err := s.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, [][]int{{1}}, got)
		require.Equal(t, 400*time.Millisecond, time.Since(start))
		_, err = s.Recv(t.Context())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 1100*time.Millisecond, time.Since(start))
	})
}

func TestRetryOpensAgainWithPausesThatGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		var pauses []time.Duration
		s := pipeline.Retry(func(context.Context) (*chanio.Source[int], error) {
			switch opened++; opened {
			case 1, 2, 3, 5:
				return nil, errBoom
			case 4:
				return from(errBoom, 1, 2), nil
			}
			return of(3), nil
		}, &pipeline.RetryConfig{Min: time.Second, Max: 3 * time.Second, OnRetry: func(err error, pause time.Duration) {
			require.ErrorIs(t, err, errBoom)
			pauses = append(pauses, pause)
		}})
		start := time.Now()
		got, err := drain(t, s)
		require.NoError(t, err)
		require.Equal(t, []int{1, 2, 3}, got)
		require.Equal(t, 6, opened)
		require.Len(t, pauses, 5)
		var total time.Duration
		for i, most := range []time.Duration{1, 2, 3, 1, 2} { // a value starts again
			require.LessOrEqual(t, pauses[i], most*time.Second)
			require.GreaterOrEqual(t, pauses[i], most*time.Second/2)
			total += pauses[i]
		}
		require.Equal(t, total, time.Since(start))
	})
}

func TestRetryGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		fail := func(context.Context) (*chanio.Source[int], error) { opened++; return nil, errBoom }
		_, err := drain(t, pipeline.Retry(fail, &pipeline.RetryConfig{Attempts: 3}))
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, 4, opened)

		opened = 0
		_, err = drain(t, pipeline.Retry(fail, &pipeline.RetryConfig{
			Permanent: func(err error) bool { return errors.Is(err, errBoom) },
		}))
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, 1, opened)
	})
}

func TestG2G3RetryCanBeCancelledAndClosedWhileItOpensAndWhileItPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		s := pipeline.Retry(func(ctx context.Context) (*chanio.Source[int], error) {
			if opened++; opened == 2 {
				return nil, errBoom
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Recv(ctx) // opens
		require.ErrorIs(t, err, context.DeadlineExceeded)
		ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = s.Recv(ctx) // fails, then pauses
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 2, opened)
		got := make(chan error)
		go func() {
			_, err := s.Recv(t.Context())
			got <- err
		}()
		time.Sleep(time.Second) // it opens once more
		synctest.Wait()
		require.Equal(t, 3, opened)
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-got, net.ErrClosed)
	})
}

func TestG2AnOpenThatFailedBecauseCtxEndedIsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		s := pipeline.Retry(func(ctx context.Context) (*chanio.Source[int], error) {
			if opened++; opened == 1 {
				<-ctx.Done()
				return nil, errBoom // says nothing of ctx
			}
			return of(7), nil
		}, &pipeline.RetryConfig{Permanent: func(error) bool { return true }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Recv(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		start := time.Now()
		v, err := s.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7, v)
		require.Zero(t, time.Since(start))
	})
}

func TestAValueThatComesAtTheEndOfASpanIsOfTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := chanio.PipeOf[time.Time](0)
		go func() {
			time.Sleep(time.Second / 2)
			for range 40 { // timers of the producer and of Window fire at the same time, in any order
				_ = to.Send(t.Context(), time.Now())
				time.Sleep(time.Second / 2)
			}
			_ = to.Close()
		}()
		n := 0
		for span, err := range pipeline.Window(from, time.Second, 100).Values(t.Context()) {
			require.NoError(t, err)
			for _, at := range span.Value {
				require.False(t, at.Before(span.Start))
				require.True(t, at.Before(span.End))
				n++
			}
		}
		require.Equal(t, 40, n)
	})
}

func TestRollupEndsASpanWhoseSourceAlwaysHasMore(t *testing.T) {
	one := func() (int, bool, error) { return 1, true, nil }
	endless := chanio.NewSource(chanio.SourceHooks[int]{
		Next: func(context.Context) (int, error) { return 1, nil }, TryNext: one,
	})
	s := pipeline.Rollup(endless, time.Millisecond, func() int { return 0 }, func(n, v int) int { return n + v })
	sum := 0
	for range 3 { // a span may be over before any value is looked at
		span, ok, err := s.TryRecv()
		require.NoError(t, err)
		require.True(t, ok)
		sum += span.Value
	}
	require.Positive(t, sum)
	require.NoError(t, s.Close())
}
