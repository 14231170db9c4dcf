package clients_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
)

var (
	errGone  = errors.New("the caller has lost its patience")
	errSick  = errors.New("not healthy")
	errClash = errors.New("it cannot be opened now")
)

// poolModel records what a Pool and its users do to values, and checks what must hold at any time.
type poolModel struct {
	*rand.Rand
	cfg      clients.PoolConfig[int]
	failsFor int // one in so many; 0: none

	mu      sync.Mutex
	opened  int
	born    map[int]time.Time
	since   map[int]time.Time // when it was released, or opened in advance
	lent    map[int]bool
	closed  map[int]bool
	checked int
	trouble []string
}

func (m *poolModel) complain(what string) { m.trouble = append(m.trouble, what) }

// roll returns a random number. It may be called concurrently.
func (m *poolModel) roll(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.IntN(n)
}

func (m *poolModel) open(ctx context.Context) (int, error) {
	takes := time.Duration(m.roll(4)) * time.Second
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failsFor > 0 && m.IntN(m.failsFor) == 0 {
		return 0, errClash
	}
	m.opened++
	m.born[m.opened], m.since[m.opened] = time.Now(), time.Now()
	if len(m.born)-len(m.closed) > m.cfg.MaxOpen {
		m.complain("too many are open")
	}
	return m.opened, nil
}

func (m *poolModel) close(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed[n] || m.lent[n] {
		m.complain("closed twice, or while it is in use")
	}
	m.closed[n] = true
}

func (m *poolModel) check(ctx context.Context, n int) error {
	select {
	case <-time.After(time.Duration(m.roll(2)) * time.Second):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checked++
	if m.closed[n] || m.lent[n] {
		m.complain("checked while it is in use or closed")
	}
	if m.IntN(4) == 0 {
		return errSick
	}
	return nil
}

// takes records that a value was handed out.
func (m *poolModel) takes(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lent[n] || m.closed[n] {
		m.complain("lent twice, or after it was closed")
	}
	if m.cfg.MaxLifetime > 0 && time.Since(m.born[n]) > m.cfg.MaxLifetime+time.Second { // a check takes a second
		m.complain("lent when it was too old")
	}
	if idle := m.cfg.IdleTimeout; idle > 0 && time.Since(m.since[n]) > idle+time.Second {
		m.complain("lent after it was idle for too long")
	}
	m.lent[n] = true
}

func (m *poolModel) gives(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lent[n], m.since[n] = false, time.Now()
}

// use is the goroutine of one caller.
func (m *poolModel) use(ctx context.Context, p *clients.Pool[int]) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(1+m.roll(20))*time.Second/2, errGone)
	defer cancel()
	l, err := p.Get(ctx)
	if err != nil {
		return err
	}
	m.takes(l.Value())
	time.Sleep(time.Duration(m.roll(6)) * time.Second)
	m.gives(l.Value())
	if m.roll(5) == 0 {
		l.Broken()
	}
	l.Release()
	return nil
}

func (m *poolModel) holds(t *testing.T, s clients.PoolStats) {
	require.LessOrEqual(t, s.Open, m.cfg.MaxOpen)
	require.LessOrEqual(t, s.Idle+s.InUse, s.Open)
	if m.cfg.MaxIdle > 0 {
		require.LessOrEqual(t, s.Idle, m.cfg.MaxIdle)
	}
	if m.cfg.MaxWaiters > 0 {
		require.LessOrEqual(t, s.Waiting, m.cfg.MaxWaiters)
	}
	if s.Waiting > 0 {
		require.Zero(t, s.Idle, "somebody waits while a value is idle")
		require.Equal(t, m.cfg.MaxOpen, s.Open, "somebody waits while another value may be opened")
	}
}

func TestPoolKeepsItsBoundsWhateverItsUsersDo(t *testing.T) {
	modelled(t, func(t *testing.T, r *rand.Rand) {
		synctest.Test(t, func(t *testing.T) { runPool(t, r) })
	})
}

func runPool(t *testing.T, r *rand.Rand) {
	m := &poolModel{
		Rand: r, failsFor: r.IntN(6), born: map[int]time.Time{}, since: map[int]time.Time{}, lent: map[int]bool{}, closed: map[int]bool{},
	}
	m.cfg = clients.PoolConfig[int]{
		MaxOpen: 1 + r.IntN(5), MaxWaiters: 1 + r.IntN(10), IdleTimeout: time.Duration(r.IntN(3)) * 10 * time.Second,
		MaxLifetime: time.Duration(r.IntN(3)) * 10 * time.Second, CheckAfter: time.Duration(r.IntN(3)) * time.Second,
	}
	if oneIn(r, 2) {
		m.cfg.MaxIdle = 1 + r.IntN(m.cfg.MaxOpen)
		m.cfg.MinIdle = r.IntN(m.cfg.MaxIdle + 1)
	}
	if oneIn(r, 2) {
		m.cfg.Check = m.check
	}
	callers := 2 + r.IntN(12)
	p := clients.NewPool(m.open, m.close, &m.cfg) // from here on r is shared
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var users sync.WaitGroup
	var mu sync.Mutex
	var got, refused, failed int
	for range callers {
		users.Go(func() {
			for ctx.Err() == nil {
				err := m.use(ctx, p)
				mu.Lock()
				switch {
				case err == nil:
					got++
				case errors.Is(err, clients.ErrPoolBusy):
					refused++
				case errors.Is(err, errClash):
					failed++
				case errors.Is(err, clients.ErrPoolClosed):
					mu.Unlock()
					return
				case !errors.Is(err, errGone) && !errors.Is(err, context.Canceled):
					m.complain("a caller was told " + err.Error())
				}
				mu.Unlock()
				time.Sleep(time.Duration(m.roll(5)) * time.Second)
			}
		})
	}
	for range 20 {
		time.Sleep(time.Duration(m.roll(7000)) * time.Millisecond)
		m.holds(t, p.Stats())
		synctest.Wait()
		m.holds(t, p.Stats())
	}
	early := m.roll(2) == 0
	if !early {
		stop()
		users.Wait()
		if m.failsFor == 0 {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			require.GreaterOrEqual(t, p.Stats().Open, m.cfg.MinIdle, "they are opened ahead")
		}
	}
	err := p.Shutdown(context.Background())
	require.NoError(t, err)
	require.ErrorIs(t, m.use(t.Context(), p), clients.ErrPoolClosed)
	stop()
	users.Wait()
	s := p.Stats()
	require.Empty(t, m.trouble)
	require.Equal(t, len(m.born), len(m.closed), "each was closed")
	require.Zero(t, s.Open+s.Idle+s.InUse+s.Waiting)
	require.EqualValues(t, got, s.Leased)
	require.EqualValues(t, refused, s.Rejected)
	require.EqualValues(t, m.opened, s.Opened)
	require.EqualValues(t, m.opened, s.Closed)
	require.GreaterOrEqual(t, int(s.Failed), failed)
}

// Functions of the user fail and panic at any point, and no place is lost or freed twice: OpenIdentityPlatform/OpenDJ 884,
// ClickHouse/clickhouse-go 1759, mongodb/mongo-java-driver 699.
func TestPoolKeepsItsPlacesWhateverPanics(t *testing.T) {
	modelled(t, func(t *testing.T, r *rand.Rand) {
		synctest.Test(t, func(t *testing.T) { runPoolThatPanics(t, r) })
	})
}

func runPoolThatPanics(t *testing.T, r *rand.Rand) {
	var mu sync.Mutex
	roll := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	fails := func(what string) error {
		switch roll(8) {
		case 0:
			panic(what)
		case 1:
			return errClash
		}
		return nil
	}
	seconds := func(n int) time.Duration { return time.Duration(roll(n)) * time.Second }
	most := 1 + r.IntN(4)
	cfg := clients.PoolConfig[int]{MaxOpen: most, MinIdle: r.IntN(most + 1), IdleTimeout: seconds(20), MaxLifetime: seconds(30)}
	cfg.Check = func(context.Context, int) error {
		time.Sleep(seconds(2))
		return fails("check")
	}
	opened, live := 0, map[int]bool{}
	open := func(ctx context.Context) (int, error) {
		time.Sleep(seconds(3))
		if err := fails("open"); err != nil {
			return 0, err
		}
		mu.Lock()
		defer mu.Unlock()
		opened++
		live[opened] = true
		if len(live) > most {
			t.Errorf("%d are open", len(live))
		}
		return opened, nil
	}
	p := clients.NewPool(open, func(n int) {
		mu.Lock()
		if !live[n] {
			t.Errorf("%d is closed twice", n)
		}
		delete(live, n)
		mu.Unlock()
		_ = fails("close")
	}, &cfg)
	var users sync.WaitGroup
	for range 1 + 2*most {
		users.Go(func() {
			for range 20 {
				func() {
					defer func() { _ = recover() }()
					ctx, cancel := context.WithTimeout(t.Context(), time.Second+seconds(8))
					defer cancel()
					_ = p.Do(ctx, func(context.Context, int) error {
						time.Sleep(seconds(3))
						return fails("use")
					})
				}()
				time.Sleep(seconds(3))
			}
		})
	}
	users.Wait()
	synctest.Wait()
	s := p.Stats()
	require.Zero(t, s.InUse+s.Waiting)
	require.LessOrEqual(t, s.Open-s.Idle, cfg.MinIdle, "others than those being opened ahead")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NotErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
	require.Empty(t, live)
	require.Zero(t, p.Stats().Open)
}
