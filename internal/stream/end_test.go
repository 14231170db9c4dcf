package stream_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/stream"
)

var errWhy = errors.New("why")

func isOver(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestAnEndIsOneAndStays(t *testing.T) {
	var e stream.End
	require.True(t, e.Open())
	require.False(t, e.Ended())
	done := e.Done()
	require.False(t, isOver(done))
	require.NoError(t, e.Err())
	require.True(t, e.Set(errWhy))
	require.False(t, e.Set(nil))
	require.False(t, e.BeginClose(os.ErrClosed))
	require.False(t, e.Open())
	require.True(t, e.Ended())
	require.Equal(t, errWhy, e.Err())
	require.True(t, isOver(done))
	require.True(t, isOver(e.Done()))
}

func TestBeginCloseRefusesMoreAndIsNotYetTheEnd(t *testing.T) {
	for name, c := range map[string]struct{ why, set, want error }{
		"clean":                 {nil, nil, nil},
		"with a reason":         {errWhy, nil, errWhy},
		"failed":                {nil, os.ErrClosed, os.ErrClosed},
		"failed, with a reason": {errWhy, os.ErrClosed, os.ErrClosed},
	} {
		var e stream.End
		require.True(t, e.BeginClose(c.why), name)
		require.False(t, e.BeginClose(os.ErrInvalid), name)
		require.False(t, e.Open(), name)
		require.False(t, e.Ended(), name)
		require.True(t, isOver(e.Done()), name)
		require.Equal(t, c.why, e.Err(), name)
		require.True(t, e.Set(c.set), name)
		require.Equal(t, c.want, e.Err(), name)
	}
}

func TestManyWhoEndAHalfEndItOnce(t *testing.T) {
	for range 200 {
		var e stream.End
		var all sync.WaitGroup
		called := make(chan struct{}, 10)
		e.OnDone(func() { called <- struct{}{} })
		ended := make(chan bool, 8)
		for i := range 8 {
			all.Go(func() {
				if i%2 == 0 {
					e.BeginClose(nil)
				}
				ended <- e.Set(nil)
			})
		}
		all.Wait()
		n := 0
		for range 8 {
			if <-ended {
				n++
			}
		}
		require.Equal(t, 1, n)
		<-called
		require.Empty(t, called)
	}
}

func TestOnDoneIsCalledOnceInAGoroutineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e stream.End
		var calls atomic.Int32
		release := make(chan struct{})
		e.OnDone(func() { <-release; calls.Add(1) })
		other := e.OnDone(func() { calls.Add(10) })
		stop := e.OnDone(func() { calls.Add(100) })
		require.True(t, stop())
		require.False(t, stop())
		e.BeginClose(nil) // does not wait for the first
		synctest.Wait()
		require.EqualValues(t, 10, calls.Load())
		require.False(t, other())
		close(release)
		e.Set(nil)
		late := e.OnDone(func() { calls.Add(1000) })
		synctest.Wait()
		require.EqualValues(t, 1011, calls.Load())
		require.False(t, late())
	})
}

// record keeps the log records.
type record struct {
	slog.Handler
	mu   sync.Mutex
	text []string
}

func (r *record) Enabled(context.Context, slog.Level) bool { return true }

func (r *record) Handle(_ context.Context, line slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := line.Message
	line.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	r.text = append(r.text, text)
	return nil
}

func TestWhatAFunctionOfOnDonePanicsWithIsLogged(t *testing.T) {
	for want, f := range map[string]func(){"panic=broken": func() { panic("broken") }, "runtime.Goexit": func() { runtime.Goexit() }} {
		for _, byDefault := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				log := new(record)
				e := stream.End{Logger: slog.New(log)}
				if byDefault {
					e.Logger = nil
					before := slog.Default()
					defer slog.SetDefault(before)
					slog.SetDefault(slog.New(log))
				}
				other := false
				e.OnDone(f)
				e.OnDone(func() { other = true })
				e.Set(nil)
				synctest.Wait()
				require.True(t, other)
				require.Len(t, log.text, 1)
				require.Contains(t, log.text[0], want)
				require.Contains(t, log.text[0], "end_test.go", "the stack")
			})
		}
	}
}

func TestSettleCallsInOrderAndReturnsTheFirstError(t *testing.T) {
	var e stream.End
	var calls []int
	for i, err := range []error{nil, errWhy, os.ErrInvalid} {
		e.BeforeClose(func(ctx context.Context) error {
			calls = append(calls, i)
			require.Equal(t, t.Context(), ctx)
			return err
		})
	}
	require.Equal(t, errWhy, e.Settle(t.Context()))
	require.Equal(t, []int{0, 1}, calls)

	var again stream.End
	n := 0
	var stop func()
	stop = again.BeforeClose(func(context.Context) error { n++; stop(); return nil }) // takes itself back
	require.NoError(t, again.Settle(t.Context()))
	require.NoError(t, again.Settle(t.Context()))
	require.Equal(t, 1, n)
}

func TestLingeringEndsWithoutProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, linger := range []time.Duration{0, time.Second} {
			e := stream.End{Linger: linger}
			if linger == 0 {
				linger = stream.DefaultLinger
			}
			began := time.Now()
			ctx, stop := e.Lingering()
			<-ctx.Done()
			require.Equal(t, linger, time.Since(began))
			require.ErrorIs(t, context.Cause(ctx), os.ErrDeadlineExceeded)
			require.True(t, strings.Contains(context.Cause(ctx).Error(), linger.String()))
			stop()
		}
	})
}

func TestLingeringLastsAsLongAsThereIsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var moved atomic.Int64
		e := stream.End{Linger: time.Second, Progress: moved.Load}
		ctx, stop := e.Lingering()
		defer stop()
		for i := range 20 {
			time.Sleep(900 * time.Millisecond)
			if i%2 == 0 {
				moved.Add(1)
			} else {
				e.Advance()
			}
			require.NoError(t, ctx.Err())
		}
		began := time.Now()
		<-ctx.Done()
		require.LessOrEqual(t, time.Since(began), 2*time.Second)
		require.GreaterOrEqual(t, time.Since(began), time.Second)
	})
}

func TestLingeringThatIsStoppedLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := stream.End{Progress: func() int64 { return time.Now().UnixNano() }} // would never end
		ctx, stop := e.Lingering()
		time.Sleep(time.Hour)
		require.NoError(t, ctx.Err())
		stop()
		stop()
		require.Equal(t, context.Canceled, context.Cause(ctx))
		before := time.Now()
		time.Sleep(time.Hour) // no timer of it is left, or the bubble would not end
		require.Equal(t, time.Hour, time.Since(before))
	})
}

// If the peer stops reading, Close returns at most a quarter of the linger bound late.
func TestG7LingeringEndsSoonAfterTheLastProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &stream.End{Linger: time.Second}
		began := time.Now()
		ctx, stop := e.Lingering()
		defer stop()
		for range 3 {
			time.Sleep(900 * time.Millisecond)
			e.Advance()
			require.NoError(t, ctx.Err())
		}
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), os.ErrDeadlineExceeded)
		late := time.Since(began) - 2700*time.Millisecond
		require.GreaterOrEqual(t, late, time.Second)
		require.LessOrEqual(t, late, time.Second+250*time.Millisecond)
	})
}
