package clients_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/tlsconf"
)

// factory opens numbers, starting with 1, and records which are open.
type factory struct {
	takes time.Duration
	fail  error

	mu     sync.Mutex
	opened int
	live   map[int]bool
	closed []int
	most   int // concurrently
}

func (f *factory) open(ctx context.Context) (int, error) {
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return 0, f.fail
	}
	f.opened++
	if f.live == nil {
		f.live = map[int]bool{}
	}
	f.live[f.opened] = true
	f.most = max(f.most, len(f.live))
	return f.opened, nil
}

func (f *factory) close(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.live[n] {
		panic("closed twice")
	}
	delete(f.live, n)
	f.closed = append(f.closed, n)
}

// ended returns the closed values, in order.
func (f *factory) ended() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.closed)
}

// alive returns the open values.
func (f *factory) alive() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.live))
}

// peak returns the largest number of values open at a time.
func (f *factory) peak() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

// pooling runs test in a bubble with a pool that is closed at the end. No value may remain open.
func pooling(t *testing.T, f *factory, cfg clients.PoolConfig[int], test func(t *testing.T, p *clients.Pool[int])) {
	synctest.Test(t, func(t *testing.T) {
		p := clients.NewPool(f.open, f.close, &cfg)
		test(t, p)
		require.NoError(t, p.Close())
		require.Empty(t, f.alive())
		s := p.Stats()
		require.Zero(t, s.Open+s.Idle+s.InUse+s.Waiting)
		require.Equal(t, s.Opened, s.Closed)
	})
}

func get(t testing.TB, p *clients.Pool[int]) *clients.Lease[int] {
	t.Helper()
	l, err := p.Get(t.Context())
	require.NoError(t, err)
	return l
}

func TestPoolUsesAgainWhatWasReturnedLast(t *testing.T) {
	f := &factory{}
	pooling(t, f, clients.PoolConfig[int]{}, func(t *testing.T, p *clients.Pool[int]) {
		one, two := get(t, p), get(t, p)
		require.Equal(t, []int{1, 2}, []int{one.Value(), two.Value()})
		one.Release()
		two.Release()
		for range 5 {
			l := get(t, p)
			require.Equal(t, 2, l.Value())
			l.Release()
		}
		require.Equal(t, clients.PoolStats{Open: 2, Idle: 2, Leased: 7, Opened: 2}, p.Stats())
	})
}

func TestPoolDropsWhatIsBroken(t *testing.T) {
	f := &factory{}
	pooling(t, f, clients.PoolConfig[int]{MaxOpen: 1}, func(t *testing.T, p *clients.Pool[int]) {
		l := get(t, p)
		l.Broken()
		l.Release()
		require.Equal(t, []int{1}, f.ended())
		l = get(t, p)
		require.Equal(t, 2, l.Value())
		l.Release()
		require.EqualValues(t, 1, p.Stats().Broken)
	})
}

func TestPoolServesThoseWhoWaitInOrder(t *testing.T) {
	f := &factory{}
	pooling(t, f, clients.PoolConfig[int]{MaxOpen: 2}, func(t *testing.T, p *clients.Pool[int]) {
		held := []*clients.Lease[int]{get(t, p), get(t, p)}
		var served []int
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				l, err := p.Get(t.Context())
				require.NoError(t, err)
				served = append(served, i) // one at a time: see below
				held = append(held, l)
			})
			synctest.Wait()
		}
		require.Equal(t, 6, p.Stats().Waiting)
		for i := range 8 {
			if i%3 == 0 {
				held[i].Broken() // so the next one opens its own
			}
			held[i].Release()
			synctest.Wait()
		}
		all.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5}, served)
		require.Equal(t, 2, f.peak())
		require.EqualValues(t, 6, p.Stats().Waits)
	})
}

func TestG8PoolBoundsThoseWhoWait(t *testing.T) {
	pooling(t, &factory{}, clients.PoolConfig[int]{MaxOpen: 1, MaxWaiters: 1}, func(t *testing.T, p *clients.Pool[int]) {
		l := get(t, p)
		waited := make(chan *clients.Lease[int])
		go func() { waited <- get(t, p) }()
		synctest.Wait()
		_, err := p.Get(t.Context())
		require.ErrorIs(t, err, clients.ErrPoolBusy)
		require.EqualValues(t, 1, p.Stats().Rejected)
		l.Release()
		(<-waited).Release()
	})
	pooling(t, &factory{}, clients.PoolConfig[int]{MaxOpen: 1, MaxWaiters: -1}, func(t *testing.T, p *clients.Pool[int]) {
		l := get(t, p)
		_, err := p.Get(t.Context())
		require.ErrorIs(t, err, clients.ErrPoolBusy)
		l.Release()
	})
}

func TestG2PoolCancelledWaiterLeavesNothing(t *testing.T) {
	why := errors.New("why")
	pooling(t, &factory{}, clients.PoolConfig[int]{MaxOpen: 1}, func(t *testing.T, p *clients.Pool[int]) {
		l := get(t, p)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		_, err := p.Get(ctx)
		require.ErrorIs(t, err, why)
		_, err = p.Get(ctx)
		require.ErrorIs(t, err, why)
		require.Zero(t, p.Stats().Waiting)
		require.Equal(t, time.Second, p.Stats().WaitTime)
		l.Release()
		require.Equal(t, 1, p.Stats().Idle)
	})
}

// The value is put back for a caller whose ctx has just ended, which may have left already or not.
func TestG2PoolAValueGivenToOneWhoLeavesIsNotLost(t *testing.T) {
	pooling(t, &factory{}, clients.PoolConfig[int]{MaxOpen: 1}, func(t *testing.T, p *clients.Pool[int]) {
		for range 200 {
			l := get(t, p)
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan *clients.Lease[int], 1)
			go func() {
				l, _ := p.Get(ctx)
				got <- l
			}()
			synctest.Wait()
			cancel()
			l.Release()
			if l := <-got; l != nil {
				l.Release()
			}
		}
		get(t, p).Release()
	})
}

func TestG2PoolCancelledOpeningGoesToTheNext(t *testing.T) {
	why := errors.New("why")
	f := &factory{takes: 2 * time.Second}
	pooling(t, f, clients.PoolConfig[int]{MaxOpen: 1}, func(t *testing.T, p *clients.Pool[int]) {
		start := time.Now()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		next := make(chan time.Duration)
		go func() {
			time.Sleep(time.Millisecond)
			get(t, p).Release()
			next <- time.Since(start)
		}()
		_, err := p.Get(ctx)
		require.ErrorIs(t, err, why)
		require.Equal(t, 3*time.Second, <-next)
		require.Zero(t, p.Stats().Failed, "that was the caller's affair")
	})
}

func TestPoolFailureToOpenIsItsCallersOwn(t *testing.T) {
	f := &factory{fail: errDown, takes: time.Second}
	pooling(t, f, clients.PoolConfig[int]{MaxOpen: 1}, func(t *testing.T, p *clients.Pool[int]) {
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				_, err := p.Get(t.Context())
				require.ErrorIs(t, err, errDown)
			})
		}
		all.Wait()
		require.EqualValues(t, 3, p.Stats().Failed)
		f.fail = nil
		get(t, p).Release()
	})
}

func TestPoolClosesWhatHasBeenIdleForTooLong(t *testing.T) {
	f := &factory{}
	pooling(t, f, clients.PoolConfig[int]{IdleTimeout: time.Minute}, func(t *testing.T, p *clients.Pool[int]) {
		one, two := get(t, p), get(t, p)
		one.Release()
		time.Sleep(30 * time.Second)
		two.Release()
		time.Sleep(30*time.Second - 1)
		require.Empty(t, f.ended())
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		require.Equal(t, []int{1}, f.ended())
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{1, 2}, f.ended())
		require.EqualValues(t, 2, p.Stats().Expired)
	})
	f = &factory{}
	pooling(t, f, clients.PoolConfig[int]{IdleTimeout: -1}, func(t *testing.T, p *clients.Pool[int]) {
		get(t, p).Release()
		time.Sleep(1000 * time.Hour)
		require.Empty(t, f.ended())
	})
}

func TestPoolClosesWhatIsTooOld(t *testing.T) {
	f := &factory{}
	pooling(t, f, clients.PoolConfig[int]{MaxLifetime: time.Minute}, func(t *testing.T, p *clients.Pool[int]) {
		l := get(t, p)
		time.Sleep(2 * time.Minute)
		require.Empty(t, f.closed, "one in use is not interrupted")
		l.Release()
		require.Equal(t, []int{1}, f.ended())
		get(t, p).Release()
		for range 3 {
			time.Sleep(17 * time.Second)
			get(t, p).Release()
		}
		require.Equal(t, []int{1}, f.ended(), "its time is up after 54 s at the earliest")
		time.Sleep(9 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{1, 2}, f.closed, "use does not make it younger")
	})
}

func TestPoolKeepsOnlySoMany(t *testing.T) {
	for maxIdle, want := range map[int]int{1: 1, -1: 0, 0: 3} {
		f := &factory{}
		pooling(t, f, clients.PoolConfig[int]{MaxOpen: 3, MaxIdle: maxIdle}, func(t *testing.T, p *clients.Pool[int]) {
			ls := []*clients.Lease[int]{get(t, p), get(t, p), get(t, p)}
			for _, l := range ls {
				l.Release()
			}
			require.Equal(t, want, p.Stats().Idle)
			require.Len(t, f.live, want)
		})
	}
}

func TestPoolChecksBeforeReuse(t *testing.T) {
	f := &factory{}
	sick := map[int]bool{}
	var checked []int
	check := func(_ context.Context, n int) error {
		checked = append(checked, n)
		if sick[n] {
			return errDown
		}
		return nil
	}
	cfg := clients.PoolConfig[int]{MaxOpen: 2, Check: check, CheckAfter: time.Second}
	pooling(t, f, cfg, func(t *testing.T, p *clients.Pool[int]) {
		one, two := get(t, p), get(t, p)
		one.Release()
		two.Release()
		get(t, p).Release()
		require.Empty(t, checked, "it was used just now")
		time.Sleep(time.Second)
		sick[2] = true
		l := get(t, p)
		require.Equal(t, 1, l.Value())
		require.Equal(t, []int{2, 1}, checked)
		l.Release()
		time.Sleep(time.Second)
		sick[1] = true
		l = get(t, p)
		require.Equal(t, 3, l.Value(), "all were sick")
		l.Release()
		require.EqualValues(t, 2, p.Stats().Unhealthy)
	})
}

func TestG2PoolCancelledCheckDropsTheValue(t *testing.T) {
	f := &factory{}
	check := func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	}
	pooling(t, f, clients.PoolConfig[int]{MaxOpen: 1, Check: check}, func(t *testing.T, p *clients.Pool[int]) {
		get(t, p).Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Get(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []int{1}, f.ended())
		get(t, p).Release()
	})
}

func TestPoolDoDropsWhatFailed(t *testing.T) {
	f := &factory{}
	pooling(t, f, clients.PoolConfig[int]{}, func(t *testing.T, p *clients.Pool[int]) {
		use := func(want int, err error) error {
			return p.Do(t.Context(), func(_ context.Context, n int) error {
				require.Equal(t, want, n)
				return err
			})
		}
		require.NoError(t, use(1, nil))
		require.ErrorIs(t, use(1, errDown), errDown)
		require.NoError(t, use(2, nil))
		require.PanicsWithValue(t, "user code", func() {
			_ = p.Do(t.Context(), func(context.Context, int) error { panic("user code") })
		})
		require.NoError(t, use(3, nil))
		require.Equal(t, []int{1, 2}, f.ended())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, p.Do(ctx, nil), context.Canceled)
	})
}

func TestPoolShutdownWaitsForWhatIsInUse(t *testing.T) {
	f := &factory{}
	pooling(t, f, clients.PoolConfig[int]{MaxOpen: 2}, func(t *testing.T, p *clients.Pool[int]) {
		used, idle := get(t, p), get(t, p)
		idle.Release()
		l := get(t, p)
		waiting := make(chan error)
		go func() {
			_, err := p.Get(t.Context())
			waiting <- err
		}()
		synctest.Wait()
		start := time.Now()
		time.AfterFunc(time.Second, used.Release)
		time.AfterFunc(2*time.Second, l.Release)
		shut := make(chan error)
		go func() { shut <- p.Shutdown(t.Context()) }()
		require.ErrorIs(t, <-waiting, clients.ErrPoolClosed)
		require.Equal(t, start, time.Now())
		_, err := p.Get(t.Context())
		require.ErrorIs(t, err, clients.ErrPoolClosed)
		require.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, <-shut)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestPoolShutdownEndsWithCtxAndSaysWhatIsLeft(t *testing.T) {
	f := &factory{}
	pooling(t, f, clients.PoolConfig[int]{}, func(t *testing.T, p *clients.Pool[int]) {
		l := get(t, p)
		get(t, p).Release()
		start := time.Now()
		err := p.Close()
		require.Equal(t, chanio.DefaultLinger, time.Since(start))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "1 of its values")
		require.Equal(t, []int{2}, f.ended())
		l.Release()
		require.Equal(t, []int{2, 1}, f.ended())
	})
}

func TestPoolShutdownCancelsAnOpening(t *testing.T) {
	pooling(t, &factory{takes: time.Hour}, clients.PoolConfig[int]{}, func(t *testing.T, p *clients.Pool[int]) {
		start := time.Now()
		time.AfterFunc(time.Second, func() { require.NoError(t, p.Close()) })
		_, err := p.Get(t.Context())
		require.ErrorIs(t, err, clients.ErrPoolClosed)
		require.Equal(t, time.Second, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		p := clients.NewPool(func(context.Context) (int, error) {
			time.Sleep(time.Minute) // ignores ctx
			return 1, nil
		}, func(int) { closed++ }, nil)
		time.AfterFunc(time.Second, func() { _ = p.Close() })
		_, err := p.Get(t.Context())
		require.ErrorIs(t, err, clients.ErrPoolClosed)
		require.Equal(t, 1, closed)
	})
}

func TestG12PoolDoubleReleaseIsCaught(t *testing.T) {
	pooling(t, &factory{}, clients.PoolConfig[int]{}, func(t *testing.T, p *clients.Pool[int]) {
		l := get(t, p)
		l.Release()
		require.PanicsWithValue(t, "clients: a Lease was released twice", l.Release)
	})
}

func TestG16PoolSurvivesPanicsOfUserCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var what atomic.Value
		what.Store("")
		f := &factory{}
		p := clients.NewPool(func(ctx context.Context) (int, error) {
			if what.Load() == "open" {
				panic(what.Load())
			}
			return f.open(ctx)
		}, func(n int) {
			f.close(n)
			if what.Load() == "close" {
				panic(what.Load())
			}
		}, &clients.PoolConfig[int]{
			MaxOpen: 1, IdleTimeout: time.Minute, CheckAfter: time.Second,
			Check: func(context.Context, int) error {
				if what.Load() == "check" {
					panic(what.Load())
				}
				return nil
			},
		})
		panics := func(at string, f func()) {
			what.Store(at)
			require.PanicsWithValue(t, at, f)
			what.Store("")
			require.Zero(t, p.Stats().Open, at)
		}
		panics("open", func() { _, _ = p.Get(t.Context()) })
		l := get(t, p)
		l.Broken()
		panics("close", l.Release)
		get(t, p).Release()
		time.Sleep(time.Second)
		panics("check", func() { _, _ = p.Get(t.Context()) })

		get(t, p).Release()
		what.Store("close")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Zero(t, p.Stats().Open)
		var panicked *chanio.PanicError
		require.ErrorAs(t, p.Close(), &panicked)
		require.Equal(t, "close", panicked.Value)
	})
}

func TestPoolConfigIsChecked(t *testing.T) {
	f := &factory{}
	require.Panics(t, func() { clients.NewPool[int](nil, f.close, nil) })
	const want = "clients: NewPool: MaxOpen, MaxLifetime and CheckAfter must be at least 0, got -1, 0s and 0s"
	require.PanicsWithValue(t, want, func() {
		clients.NewPool(f.open, f.close, &clients.PoolConfig[int]{MaxOpen: -1})
	})
}

// TestPoolUnderManyCallers has many callers that get, break, time out and release. It checks the limits, and that
// nothing is lost.
func TestPoolUnderManyCallers(t *testing.T) {
	f := &factory{takes: 3 * time.Millisecond}
	cfg := clients.PoolConfig[int]{
		MaxOpen: 4, MaxIdle: 2, IdleTimeout: 20 * time.Millisecond, MaxLifetime: 10 * time.Millisecond,
		Check: func(_ context.Context, n int) error {
			if n%5 == 0 {
				return errDown
			}
			return nil
		},
	}
	pooling(t, f, cfg, func(t *testing.T, p *clients.Pool[int]) {
		var using [4096]atomic.Bool
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				r := rand.New(rand.NewPCG(1, uint64(i)))
				for range 30 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(40))*time.Millisecond)
					l, err := p.Get(ctx)
					if err == nil {
						require.False(t, using[l.Value()].Swap(true), "two have the same value")
						time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
						using[l.Value()].Store(false)
						if r.IntN(7) == 0 {
							l.Broken()
						}
						l.Release()
					}
					cancel()
				}
			})
		}
		all.Wait()
		require.LessOrEqual(t, f.peak(), 4)
		s := p.Stats()
		require.Zero(t, s.InUse+s.Waiting)
		require.Equal(t, s.Open, s.Idle)
		require.LessOrEqual(t, s.Idle, 2)
		require.Equal(t, int(s.Opened-s.Closed), len(f.alive()))
		for _, n := range []uint64{s.Broken, s.Unhealthy, s.Expired, s.Waits} {
			require.NotZero(t, n, "the crowd is to meet everything: %+v", s)
		}
	})
}

func TestPoolLifetimesDiffer(t *testing.T) {
	f := &factory{}
	const n = 20
	pooling(t, f, clients.PoolConfig[int]{MaxOpen: n, MaxLifetime: time.Hour, IdleTimeout: -1}, func(t *testing.T, p *clients.Pool[int]) {
		var leases []*clients.Lease[int]
		for range n {
			leases = append(leases, get(t, p))
		}
		for _, l := range leases {
			l.Release()
		}
		time.Sleep(54 * time.Minute)
		synctest.Wait()
		require.Empty(t, f.ended())
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.NotEmpty(t, f.ended(), "each has an even chance to be over halfway")
		require.NotEmpty(t, f.alive())
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Empty(t, f.alive())
	})
}

func TestPoolOpensAhead(t *testing.T) {
	f := &factory{takes: time.Second}
	cfg := clients.PoolConfig[int]{MaxOpen: 3, MinIdle: 2}
	pooling(t, f, cfg, func(t *testing.T, p *clients.Pool[int]) {
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, p.Stats().Idle)
		start := time.Now()
		one, two := get(t, p), get(t, p)
		require.Equal(t, start, time.Now())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Idle, "there may be three in all")
		one.Broken()
		one.Release()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, p.Stats().Idle)
		two.Release()
		require.Equal(t, 3, p.Stats().Idle)
		time.Sleep(89 * time.Second)
		synctest.Wait()
		require.Equal(t, 2, p.Stats().Idle, "those that are too old are replaced")
	})
}

func TestPoolTriesAgainToOpenAhead(t *testing.T) {
	for _, fails := range []func() (int, error){
		func() (int, error) { return 0, errDown }, func() (int, error) { panic("open") },
	} {
		synctest.Test(t, func(t *testing.T) {
			opened := 0
			p := clients.NewPool(func(context.Context) (int, error) {
				if opened++; opened < 3 {
					return fails()
				}
				return opened, nil
			}, func(int) {}, &clients.PoolConfig[int]{MinIdle: 1})
			time.Sleep(2 * time.Second)
			synctest.Wait()
			require.Equal(t, 1, p.Stats().Idle)
			require.EqualValues(t, 2, p.Stats().Failed)
			require.NoError(t, p.Close())
			require.Equal(t, 3, opened)
		})
	}
}

// However many callers fail in the meantime.
func TestPoolOpensAheadOnceASecondWhileThatFails(t *testing.T) {
	f := &factory{fail: errDown}
	pooling(t, f, clients.PoolConfig[int]{MinIdle: 2}, func(t *testing.T, p *clients.Pool[int]) {
		synctest.Wait()
		for range 100 {
			_, err := p.Get(t.Context())
			require.ErrorIs(t, err, errDown)
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
		}
		require.EqualValues(t, 100+2*6, p.Stats().Failed, "two at first and two in each of five seconds")
	})
}

func TestPoolShutdownCancelsWhatIsOpenedAhead(t *testing.T) {
	f := &factory{takes: time.Hour}
	pooling(t, f, clients.PoolConfig[int]{MinIdle: 1}, func(t *testing.T, p *clients.Pool[int]) {
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Open)
		start := time.Now()
		require.NoError(t, p.Close())
		require.Equal(t, start, time.Now())
	})
	require.Panics(t, func() { clients.NewPool(f.open, f.close, &clients.PoolConfig[int]{MaxIdle: 1, MinIdle: 2}) })
}

// If a server closes an idle connection, the next request does not fail.
func TestConnPoolDoesNotGiveOutWhatThePeerHasLeft(t *testing.T) {
	nl := listen(t)
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			nc, err := nl.Accept()
			if err != nil {
				return
			}
			accepted <- nc
		}
	}()
	p := clients.NewConnPool(func(ctx context.Context) (*chanio.Conn, error) {
		return clients.DialTCP(ctx, nl.Addr().String(), nil)
	}, nil)
	lend := func() *chanio.Conn {
		l, err := p.Get(t.Context())
		require.NoError(t, err)
		defer l.Release()
		return l.Value()
	}
	c := lend()
	peer := <-accepted
	require.NoError(t, clients.CheckIdle(t.Context(), c))
	require.Same(t, c, lend(), "it is in order")
	for what, leave := range map[string]func(nc net.Conn){
		"end":           func(nc net.Conn) { _ = nc.(*net.TCPConn).CloseWrite() },
		"reset":         func(nc net.Conn) { _ = nc.(*net.TCPConn).SetLinger(0); _ = nc.Close() },
		"unasked input": func(nc net.Conn) { _, _ = io.WriteString(nc, "421 timeout\r\n") },
	} {
		leave(peer)
		for clients.CheckIdle(t.Context(), c) == nil {
			runtime.Gosched() // the loopback takes a moment
		}
		next := lend()
		require.NotSame(t, c, next, what)
		_ = peer.Close()
		c, peer = next, <-accepted
	}
	require.NoError(t, c.Out.Close())
	require.ErrorIs(t, clients.CheckIdle(t.Context(), c), net.ErrClosed, "nothing can be asked over it any more")
	c.Abort(nil)
	require.ErrorIs(t, clients.CheckIdle(t.Context(), c), net.ErrClosed)
	_ = peer.Close()
	require.NoError(t, p.Close())
	require.NoError(t, nl.Close())
	for len(accepted) > 0 {
		_ = (<-accepted).Close()
	}
}

// However a value or a permit is returned, MinIdle values are opened again.
func TestPoolOpensAheadAfterWhatCameToNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := &factory{}
	cfg := clients.PoolConfig[int]{MaxOpen: 1, MinIdle: 1, Check: func(context.Context, int) error { cancel(); return errDown }}
	pooling(t, f, cfg, func(t *testing.T, p *clients.Pool[int]) {
		synctest.Wait()
		_, err := p.Get(ctx)
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Idle, "after a check that a cancel came between")
	})

	f = &factory{takes: 3 * time.Second, fail: errDown}
	pooling(t, f, clients.PoolConfig[int]{MaxOpen: 1, MinIdle: 1}, func(t *testing.T, p *clients.Pool[int]) {
		time.Sleep(3500 * time.Millisecond) // it failed, and the next attempt is due in half a second
		_, err := p.Get(t.Context())
		require.ErrorIs(t, err, errDown)
		f.mu.Lock()
		f.fail = nil
		f.mu.Unlock()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Idle, "after a failure to open while there was no room to do so ahead")
	})
}

func TestConnPoolRefusesADialThatReturnsNothing(t *testing.T) {
	p := clients.NewConnPool(func(context.Context) (*chanio.Conn, error) { return nil, nil }, nil)
	_, err := p.Get(t.Context())
	require.ErrorContains(t, err, "neither a connection nor an error")
	require.NoError(t, p.Close())
	require.Panics(t, func() { clients.NewConnPool(nil, nil) })
}

func TestG16PoolShutdownClosesAllAlthoughOneClosePanics(t *testing.T) {
	for value, fall := range map[any]func(){"close": func() { panic("close") }, nil: runtime.Goexit} {
		f := &factory{}
		p := clients.NewPool(f.open, func(n int) {
			f.close(n)
			fall()
		}, nil)
		one, two := get(t, p), get(t, p)
		one.Release()
		two.Release()
		var panicked *chanio.PanicError
		require.ErrorAs(t, p.Shutdown(t.Context()), &panicked)
		require.Equal(t, value, panicked.Value)
		require.Empty(t, f.alive())
		require.Zero(t, p.Stats().Open)
	}
}

func TestCheckIdleSeesAReplyThatNobodyAskedForBehindOneThatWasRead(t *testing.T) {
	port, roots, _ := tlsEcho(t, "127.0.0.1")
	plain := listen(t)
	go serveEcho(plain)
	for name, dial := range map[string]func() (*chanio.Conn, error){
		"tcp": func() (*chanio.Conn, error) { return clients.DialTCP(t.Context(), plain.Addr().String(), nil) },
		"tls": func() (*chanio.Conn, error) {
			return clients.DialTLS(t.Context(), "127.0.0.1:"+port, &clients.TLSConfig{RootCAs: roots}, nil)
		},
	} {
		c, err := dial()
		require.NoError(t, err, name)
		lines := codec.Decode(c.In, codec.Lines)
		require.NoError(t, clients.CheckIdle(t.Context(), c), name)
		require.NoError(t, c.Out.Send(t.Context(), []byte("reply\nanother\n")))
		_, err = lines.Recv(t.Context())
		require.NoError(t, err, name)
		require.ErrorContains(t, clients.CheckIdle(t.Context(), c), "nobody asked for", name)
		_, err = lines.Recv(t.Context())
		require.NoError(t, err, name)
		require.NoError(t, clients.CheckIdle(t.Context(), c), name)
		require.NoError(t, c.Close(), name)
	}
}

// The end of a long frame is read into its own memory, so a TLS record may hold more than the buffer of In does.
func TestCheckIdleSeesAReplyInTheRecordOfTheOneThatWasRead(t *testing.T) {
	cert, roots, err := tlsconf.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	ln := tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{cert}, DynamicRecordSizingDisabled: true})
	const size = 100_000
	var more atomic.Int32 // bytes that nobody asked for
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = nc.Read(make([]byte, 1))
			_, _ = nc.Write(make([]byte, size+int(more.Load())))
			defer nc.Close()
		}
	}()
	for _, n := range []int32{0, 8} {
		more.Store(n)
		c, err := clients.DialTLS(t.Context(), ln.Addr().String(), &clients.TLSConfig{RootCAs: roots}, nil)
		require.NoError(t, err)
		require.NoError(t, c.Out.Send(t.Context(), []byte("?")))
		_, err = codec.Recv(t.Context(), c.In, codec.Exactly(size, codec.Bytes))
		require.NoError(t, err)
		err = clients.CheckIdle(t.Context(), c)
		if n == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, "nobody asked for")
			chunk, err := c.In.Recv(t.Context())
			require.NoError(t, err)
			require.Len(t, chunk, 8, "nothing is consumed")
		}
		c.Abort(nil)
	}
}

// The channel form receives ahead, and a stage puts back what it has not used.
func TestCheckIdleSeesWhatWasReceivedAhead(t *testing.T) {
	for _, live := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			near, far := chaniotest.Pipe(0)
			c := chanio.NewConn(near, nil)
			defer c.Abort(nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for _, text := range []string{"reply", "another"} {
				go func() { _, _ = far.Write([]byte(text)) }()
				synctest.Wait()
				if text == "reply" {
					require.Equal(t, text, string(<-c.In.C(ctx)))
					synctest.Wait()
					require.NoError(t, clients.CheckIdle(t.Context(), c))
				}
			}
			if !live {
				cancel()
				synctest.Wait()
			}
			require.True(t, c.Buffered())
			require.ErrorContains(t, clients.CheckIdle(t.Context(), c), "nobody asked for")
			if live {
				return
			}
			part, err := codec.Recv(t.Context(), c.In, codec.Exactly(3, codec.Bytes))
			require.NoError(t, err)
			require.Equal(t, "ano", string(part))
			require.ErrorContains(t, clients.CheckIdle(t.Context(), c), "nobody asked for")
			rest, err := c.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, "ther", string(rest))
			require.False(t, c.Buffered())
			require.NoError(t, clients.CheckIdle(t.Context(), c))
		})
	}
}

func TestPoolKeepsNoMemoryOfWhatHasExpired(t *testing.T) {
	type value struct{ _ [1 << 10]byte }
	var opened []weak.Pointer[value]
	synctest.Test(t, func(t *testing.T) {
		p := clients.NewPool(func(context.Context) (*value, error) {
			v := new(value)
			opened = append(opened, weak.Make(v))
			return v, nil
		}, func(*value) {}, nil)
		var leases []*clients.Lease[*value]
		for range 3 {
			l, err := p.Get(t.Context())
			require.NoError(t, err)
			leases = append(leases, l)
		}
		for _, l := range leases {
			l.Release()
		}
		clear(leases)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Zero(t, p.Stats().Open)
		for i := range 3 {
			runtime.GC()
			if opened[i].Value() != nil {
				t.Error("a value that was closed is still in memory")
			}
		}
		require.NoError(t, p.Close())
	})
}

// When the pool is drained and ctx has ended as well, both cases of a select would be ready.
func TestPoolShutdownOfADrainedPoolSucceedsWithAnyCtx(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		p := clients.NewPool(new(factory).open, func(int) {}, nil)
		require.NoError(t, p.Shutdown(ctx))
		require.NoError(t, p.Shutdown(ctx))
	}
}

// unsoundCtx is a ctx whose Done panics.
type unsoundCtx struct{ context.Context }

func (unsoundCtx) Done() <-chan struct{} { panic("a fault in Done") }

func TestPoolACtxThatPanicsIsNotInLine(t *testing.T) {
	p := clients.NewPool(func(context.Context) (int, error) { return 1, nil }, func(int) {}, &clients.PoolConfig[int]{MaxOpen: 1})
	l, err := p.Get(t.Context())
	require.NoError(t, err)
	require.Panics(t, func() { _, _ = p.Get(unsoundCtx{t.Context()}) })
	require.Zero(t, p.Stats().Waiting)
	l.Release()
	require.Equal(t, 1, p.Stats().Idle, "nobody was waiting for it")
	require.NoError(t, p.Close())
}

func TestPoolReplacesWhatIsKeptReadyAlthoughItsCloserPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		open := func(context.Context) (int, error) {
			opened++
			return opened, nil
		}
		p := clients.NewPool(open, func(n int) {
			if n == 1 {
				panic("a fault of the closer")
			}
		}, &clients.PoolConfig[int]{MinIdle: 1, IdleTimeout: time.Minute})
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Idle)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Idle)
		require.Equal(t, 2, opened)
		require.ErrorContains(t, p.Close(), "a fault of the closer")
	})
}
