package dnscache_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/dnscache"
)

// fetched is a value, with what must hold for it.
type fetched struct {
	key          int
	began, until time.Time
}

func TestNobodyGetsAValueThatIsOldOrForgotten(t *testing.T) {
	runs, seed := 0, rand.Uint64()
	for start := time.Now(); (runs == 0 || time.Since(start) < time.Second/4) && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) { runCache(t, rand.New(rand.NewPCG(seed, 0))) })
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
		runs++
	}
	t.Logf("%d runs", runs)
}

func runCache(t *testing.T, r *rand.Rand) {
	const keys = 4
	most := r.IntN(keys + 1)
	c := dnscache.New[int, fetched](most)
	errFailed, errPatience := errors.New("failed"), errors.New("no more patience")
	var mu sync.Mutex // guards what follows, and r
	var cleared time.Time
	fetching := map[int]int{}
	roll := func(n int) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(r.IntN(n))
	}
	lookUp := func() {
		key := int(roll(keys))
		ctx, cancel := context.WithTimeoutCause(t.Context(), (1+roll(40))*time.Second/4, errPatience)
		defer cancel()
		start := time.Now()
		v, err := c.Do(ctx, key, func() (fetched, time.Duration, error) {
			v, ttl := fetched{key: key, began: time.Now()}, (roll(20)-2)*time.Second
			mu.Lock()
			if fetching[key]++; fetching[key] > 1 && cleared.IsZero() {
				t.Errorf("%d callers fetch %d", fetching[key], key)
			}
			mu.Unlock()
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				fetching[key]--
			}()
			select {
			case <-time.After(roll(5) * time.Second):
			case <-ctx.Done():
				return v, ttl, context.Cause(ctx)
			}
			if roll(5) == 0 {
				return v, ttl, errFailed
			}
			v.until = time.Now().Add(max(ttl, 0))
			return v, ttl, nil
		})
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil && !errors.Is(err, errFailed) && (ctx.Err() == nil || !errors.Is(err, errPatience)):
			t.Errorf("a caller got the error of another: %v", err)
		case err != nil:
		case v.key != key:
			t.Errorf("%d is the value of %d", v.key, key)
		case start.After(v.until):
			t.Errorf("a value is too old by %v", start.Sub(v.until))
		case start.After(cleared) && v.began.Before(cleared):
			t.Error("a value comes from before Clear")
		}
		if n := c.Len(); n > most {
			t.Errorf("%d values are held", n)
		}
	}
	var callers sync.WaitGroup
	many, clears := 1+r.IntN(6), r.IntN(3) // from here on r is shared
	for range many {
		callers.Go(func() {
			for range 20 {
				lookUp()
				time.Sleep(roll(3000) * time.Millisecond)
			}
		})
	}
	for range clears {
		time.Sleep(roll(20000) * time.Millisecond)
		mu.Lock()
		cleared = time.Now()
		c.Clear()
		mu.Unlock()
	}
	callers.Wait()
	require.LessOrEqual(t, c.Len(), most)
}
