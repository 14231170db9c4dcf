package deadline_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/deadline"
)

var (
	bg      = context.Background()
	errTest = errors.New("test")
	never   time.Time
)

// socket is a [deadline.Socket] that waits until its deadline and records the deadlines set.
type socket struct {
	deadline.Context
	mu   sync.Mutex
	sets []time.Time
}

func (s *socket) SetDeadline(t time.Time) error {
	s.mu.Lock()
	s.sets = append(s.sets, t)
	s.mu.Unlock()
	return s.Context.SetDeadline(t)
}

func (s *socket) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sets)
}

// on returns the deadline of the socket.
func (s *socket) on() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sets) == 0 {
		return never
	}
	return s.sets[len(s.sets)-1]
}

// call is a call that waits until d ends it.
func call(ctx context.Context, d *deadline.Deadline, s *socket, until time.Time) error {
	if err := d.Enter(ctx, until); err != nil {
		return err
	}
	defer d.Leave()
	for {
		if err := d.Arm(); err != nil {
			return err
		}
		<-s.Done()
		if err := d.Judge(ctx, os.ErrDeadlineExceeded); err != nil {
			return err
		}
	}
}

func bubble(t *testing.T, f func(t *testing.T, d *deadline.Deadline, s *socket)) {
	synctest.Test(t, func(t *testing.T) {
		s, d := new(socket), new(deadline.Deadline)
		d.Init(s)
		f(t, d, s)
		require.True(t, s.on().IsZero(), "a deadline is left on the socket")
		d.Close(net.ErrClosed)
	})
}

func TestACallEndsWithTheFirstOfItsBounds(t *testing.T) {
	for _, bounds := range [][3]time.Duration{{1, 2, 3}, {2, 1, 3}, {3, 2, 1}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {2, 0, 1}, {0, 2, 1}, {0, 1, 2}} {
		bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
			ctx, until := bg, never
			if n := bounds[0]; n > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(bg, n*time.Second, errTest)
				defer cancel()
			}
			if n := bounds[1]; n > 0 {
				until = time.Now().Add(n * time.Second)
			}
			if n := bounds[2]; n > 0 {
				d.SetAt(time.Now().Add(n * time.Second))
			}
			began := time.Now()
			err := call(ctx, d, s, until)
			require.Equal(t, time.Second, time.Since(began))
			var late *deadline.Timeout
			switch {
			case bounds[0] == 1:
				require.ErrorIs(t, err, errTest)
			case bounds[1] == 1:
				require.Equal(t, deadline.Late, err)
			default:
				require.ErrorAs(t, err, &late)
				require.True(t, late.Resumable())
				require.True(t, deadline.Resumable(ctx, err))
			}
		})
	}
}

func TestACallThatDoesNotWaitSetsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
		ctx, cancel := context.WithCancel(bg)
		for range 3 {
			require.NoError(t, d.Enter(ctx, time.Now().Add(time.Second)))
			d.Leave()
			require.NoError(t, d.Enter(ctx, never))
			require.NoError(t, d.Arm())
			d.Leave()
			d.SetAt(time.Now().Add(time.Minute))
			require.NoError(t, d.Enter(ctx, never))
			d.Leave()
			d.SetAt(never)
		}
		cancel()
		synctest.Wait()
		require.ErrorIs(t, d.Enter(ctx, never), context.Canceled)
		require.Zero(t, s.count())
	})
}

func TestACtxThatEndsBetweenCallsDoesNotConcernTheNext(t *testing.T) {
	bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
		ctx, cancel := context.WithCancel(bg)
		require.NoError(t, d.Enter(ctx, never))
		d.Leave()
		cancel()
		synctest.Wait()
		other, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, call(other, d, s, never), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		require.Equal(t, deadline.Late, call(deadline.NoContext, d, s, time.Now().Add(time.Second)))
	})
}

func TestACallWithoutCtxIsBoundedByItsTimeAndCloseAlone(t *testing.T) {
	bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		require.NoError(t, d.Enter(ctx, never))
		d.Leave()
		d.SetAt(time.Now().Add(time.Second))
		began := time.Now()
		time.AfterFunc(3*time.Second, func() { d.Close(errTest) })
		require.ErrorIs(t, call(deadline.NoContext, d, s, never), errTest)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestTheBoundsOfACallThatWaitsMayMove(t *testing.T) {
	bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
		began := time.Now()
		d.SetAt(began.Add(time.Second))
		time.AfterFunc(500*time.Millisecond, func() { d.SetAt(began.Add(5 * time.Second)) })
		require.Error(t, call(bg, d, s, never))
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Error(t, call(bg, d, s, never))
		require.Equal(t, 5*time.Second, time.Since(began), "it has passed")
		d.SetAt(never)

		began = time.Now()
		time.AfterFunc(500*time.Millisecond, func() { d.Extend(began.Add(3 * time.Second)) })
		require.Equal(t, deadline.Late, call(bg, d, s, began.Add(time.Second)))
		require.Equal(t, 3*time.Second, time.Since(began))

		began = time.Now()
		time.AfterFunc(500*time.Millisecond, func() { d.SetAt(began.Add(2 * time.Second)) })
		require.Error(t, call(bg, d, s, never))
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}

func TestAStrayDeadlineIsClearedAndTheCallWaitsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
		began := time.Now()
		for _, until := range []time.Duration{0, 2 * time.Second} {
			ctx, cancel := context.WithTimeoutCause(bg, time.Second, errTest)
			var by time.Time
			if until > 0 {
				by = time.Now().Add(until)
			}
			_ = s.Context.SetDeadline(time.Now()) // somebody else's
			require.ErrorIs(t, call(ctx, d, s, by), errTest)
			cancel()
		}
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}

// deaf is a socket whose calls always time out.
type deaf struct{}

func (deaf) SetDeadline(time.Time) error { return nil }

func TestTimeoutsWithoutEndAreAnError(t *testing.T) {
	var d deadline.Deadline
	d.Init(deaf{})
	require.NoError(t, d.Enter(bg, never))
	defer d.Leave()
	for range 1000 {
		if d.Judge(bg, os.ErrDeadlineExceeded) != nil {
			return
		}
	}
	t.Fatal("spins")
}

func TestOtherErrorsAreLeftAlone(t *testing.T) {
	var d deadline.Deadline
	d.Init(deaf{})
	require.NoError(t, d.Enter(bg, never))
	require.NoError(t, d.Judge(bg, nil))
	for _, err := range []error{io.EOF, errTest, net.ErrClosed, many{io.EOF}} {
		require.Equal(t, err, d.Judge(bg, err))
	}
	d.Leave()
	d.Close(many{errTest})
	require.Equal(t, many{errTest}, d.Judge(bg, net.ErrClosed))
	require.Equal(t, errTest, d.Judge(bg, errTest))
	require.Equal(t, many{errTest}, d.Enter(bg, never))
}

type many []error

func (many) Error() string { return "many" }

func TestClosedLetsInWhoLingers(t *testing.T) {
	bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
		first := make(chan error)
		go func() { first <- call(bg, d, s, never) }()
		synctest.Wait()
		d.Close(errTest)
		d.Close(io.EOF)
		require.Equal(t, errTest, <-first)
		require.Equal(t, errTest, d.Closed())
		require.Equal(t, errTest, d.Enter(bg, never))

		linger := func() error {
			if err := d.Linger(time.Now().Add(time.Second)); err != nil {
				return err
			}
			defer d.Leave()
			require.NoError(t, d.Arm())
			<-s.Done()
			return d.Judge(deadline.NoContext, os.ErrDeadlineExceeded)
		}
		began := time.Now()
		require.Equal(t, deadline.Late, linger())
		require.Equal(t, time.Second, time.Since(began))
		time.AfterFunc(time.Millisecond, d.Cut)
		require.Equal(t, errTest, linger())
		require.Equal(t, time.Second+time.Millisecond, time.Since(began))
		require.Equal(t, errTest, linger())
	})
}

func TestLingerWaitsForACallThatIsInside(t *testing.T) {
	bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
		require.NoError(t, d.Enter(bg, never))
		d.Close(errTest)
		began := time.Now()
		require.Equal(t, deadline.Late, d.Linger(began.Add(time.Second)))
		require.Equal(t, time.Second, time.Since(began))
		time.AfterFunc(time.Second, d.Leave)
		require.NoError(t, d.Linger(began.Add(time.Minute)))
		require.Equal(t, 2*time.Second, time.Since(began))
		d.Leave()
	})
}

// panicking is a socket that panics, or calls Goexit.
type panicking struct {
	goexit bool
	told   chan any
}

func (p *panicking) Panicked(v any) { p.told <- v }

func (p *panicking) SetDeadline(time.Time) error {
	if p.goexit {
		runtime.Goexit()
	}
	panic("of the user")
}

func TestAPanicOfTheSocketIsToldAndIsAnError(t *testing.T) {
	for _, goexit := range []bool{false, true} {
		p := &panicking{goexit, make(chan any, 10)}
		var d deadline.Deadline
		d.Init(p)
		ctx, cancel := context.WithCancel(bg)
		require.NoError(t, d.Enter(ctx, never))
		cancel()
		if v := <-p.told; goexit {
			require.Nil(t, v)
		} else {
			require.Equal(t, "of the user", v)
		}
	}
	p := &panicking{false, make(chan any, 10)}
	var d deadline.Deadline
	d.Init(p)
	require.NoError(t, d.Enter(bg, time.Now().Add(time.Hour)))
	require.ErrorContains(t, d.Arm(), "of the user")
	d.Leave()
}

func TestPassed(t *testing.T) {
	bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
		require.Nil(t, d.Passed())
		d.SetAt(time.Now().Add(time.Second))
		passed := d.Passed()
		d.SetAt(time.Now().Add(2 * time.Second))
		began := time.Now()
		<-passed
		require.Equal(t, 2*time.Second, time.Since(began))
		<-d.Passed()
		d.SetAt(time.Now().Add(time.Second))
		<-d.Passed()
		require.Equal(t, 3*time.Second, time.Since(began))
		d.SetAt(never)
		require.Nil(t, d.Passed())
	})
}

func TestTheBoundOfAContextMayMove(t *testing.T) {
	bubble(t, func(t *testing.T, d *deadline.Deadline, s *socket) {
		ctx := new(deadline.Context)
		began := time.Now()
		_ = ctx.SetDeadline(began.Add(time.Second))
		require.ErrorIs(t, call(ctx, d, s, never), context.DeadlineExceeded)
		_ = ctx.SetDeadline(began.Add(3 * time.Second))
		require.ErrorIs(t, call(ctx, d, s, never), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(began))

		// It ends, and is moved before the call has noticed.
		_ = ctx.SetDeadline(never)
		require.NoError(t, d.Enter(ctx, never))
		_ = ctx.SetDeadline(time.Now())
		require.False(t, s.on().IsZero())
		_ = ctx.SetDeadline(never)
		require.NoError(t, d.Judge(ctx, os.ErrDeadlineExceeded))
		require.True(t, s.on().IsZero(), "the end of the ctx that was is forgotten")
		_ = ctx.SetDeadline(time.Now())
		require.ErrorIs(t, d.Judge(ctx, os.ErrDeadlineExceeded), context.DeadlineExceeded)
		d.Leave()
	})
}

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := new(deadline.Context)
		require.NoError(t, ctx.Err())
		_, ok := ctx.Deadline()
		require.False(t, ok)
		require.Nil(t, ctx.Value(1))
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		var calls atomic.Int32
		ctx.AfterFunc(func() { calls.Add(1) })
		stop := ctx.AfterFunc(func() { calls.Add(10) })
		require.True(t, stop())
		require.False(t, stop())
		at := time.Now().Add(time.Second)
		_ = ctx.SetDeadline(at)
		got, ok := ctx.Deadline()
		require.True(t, ok)
		require.Equal(t, at, got)
		<-child.Done()
		require.Equal(t, at, time.Now())
		require.ErrorIs(t, child.Err(), context.DeadlineExceeded)
		synctest.Wait()
		require.EqualValues(t, 1, calls.Load())
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		later := make(chan struct{})
		stop = ctx.AfterFunc(func() { close(later) })
		<-later
		require.False(t, stop())
		old := ctx.Done()
		_ = ctx.SetDeadline(time.Now()) // once more
		<-old
		_ = ctx.SetDeadline(never)
		require.NoError(t, ctx.Err())
		<-old
		select {
		case <-ctx.Done():
			t.Fatal("it has been moved")
		case <-time.After(time.Hour):
		}
		_ = ctx.SetDeadline(time.Now().Add(time.Second))
		_ = ctx.SetDeadline(time.Now().Add(time.Minute))
		time.Sleep(2 * time.Second)
		require.NoError(t, ctx.Err())
	})
}

func TestCause(t *testing.T) {
	for _, cause := range []error{errTest, io.EOF, net.ErrClosed, many{io.EOF}} {
		ctx, cancel := context.WithCancelCause(bg)
		require.NoError(t, deadline.Cause(ctx))
		require.False(t, deadline.Resumable(ctx, context.Canceled))
		cancel(cause)
		want := cause
		if errors.Is(cause, io.EOF) || errors.Is(cause, net.ErrClosed) {
			want = context.Canceled
		}
		require.Equal(t, want, deadline.Cause(ctx))
		require.True(t, deadline.Resumable(ctx, want))
		require.True(t, deadline.Resumable(ctx, context.Canceled))
		require.False(t, deadline.Resumable(ctx, io.EOF))
		require.False(t, deadline.Resumable(ctx, nil))
	}
	require.True(t, deadline.Resumable(bg, &deadline.Timeout{Call: true}))
	require.False(t, deadline.Resumable(bg, &deadline.Timeout{}))
	require.ErrorIs(t, &deadline.Timeout{}, os.ErrDeadlineExceeded)
	var timeout net.Error = &deadline.Timeout{Text: "late"}
	require.True(t, timeout.Timeout())
	require.EqualError(t, timeout, "late")
}

// A timeout during a change of the deadline may come from the previous one: the call waits for the change, and
// continues.
func TestAStrayTimeoutWaitsForWhoSetsTheSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := make(chan struct{})
		d := new(deadline.Deadline)
		d.Init(deadline.Func(func(time.Time) error {
			<-set
			return nil
		}))
		require.NoError(t, d.Enter(bg, never))
		go d.SetAt(time.Now().Add(time.Hour))
		synctest.Wait()
		judged := make(chan error, 1)
		go func() { judged <- d.Judge(bg, os.ErrDeadlineExceeded) }()
		synctest.Wait()
		require.Empty(t, judged)
		close(set)
		require.NoError(t, <-judged)
		d.Leave()
	})
}

func TestOnceEndsForGood(t *testing.T) {
	var c deadline.Context
	once := c.Once()
	require.Same(t, once, c.Once())
	called := make(chan int, 3)
	context.AfterFunc(once, func() { called <- 1 })
	stop := context.AfterFunc(once, func() { called <- 2 })
	require.True(t, stop())
	require.NoError(t, once.Err())
	require.NoError(t, c.SetDeadline(time.Unix(1, 0)))
	require.NoError(t, c.SetDeadline(time.Time{})) // the Context goes on
	require.Equal(t, 1, <-called)
	require.NoError(t, c.Err())
	require.True(t, deadline.Ended(once.Done()))
	require.ErrorIs(t, once.Err(), context.DeadlineExceeded)
	require.True(t, deadline.Resumable(once, once.Err()))
	stop = context.AfterFunc(once, func() { called <- 3 })
	require.Equal(t, 3, <-called)
	require.False(t, stop())
	require.NotSame(t, once, c.Once())
	require.NoError(t, c.Once().Err())
}
