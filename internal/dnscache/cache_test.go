package dnscache_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/internal/dnscache"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// counted returns a fetch function that returns the number of its calls.
func counted(n *int, ttl time.Duration) func() (int, time.Duration, error) {
	return func() (int, time.Duration, error) {
		*n++
		return *n, ttl, nil
	}
}

func TestValueHoldsForItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dnscache.New[string, int](10)
		n := 0
		for _, want := range []int{1, 1, 2} {
			got, err := c.Do(t.Context(), "a", counted(&n, 10*time.Second))
			require.NoError(t, err)
			require.Equal(t, want, got)
			time.Sleep(5 * time.Second)
		}
	})
}

func TestValueWithoutTTLIsNotRemembered(t *testing.T) {
	c := dnscache.New[string, int](10)
	n := 0
	for range 3 {
		_, err := c.Do(t.Context(), "a", counted(&n, 0))
		require.NoError(t, err)
	}
	require.Equal(t, 3, n)
	require.Zero(t, c.Len())
}

func TestTheLeastRecentlyUsedMakesRoom(t *testing.T) {
	c := dnscache.New[string, int](2)
	n := 0
	for _, step := range []struct {
		key  string
		want int
	}{{"a", 1}, {"b", 2}, {"a", 1}, {"c", 3}, {"a", 1}, {"b", 4}} {
		got, err := c.Do(t.Context(), step.key, counted(&n, time.Hour))
		require.NoError(t, err)
		require.Equal(t, step.want, got, step.key)
		require.LessOrEqual(t, c.Len(), 2)
	}
	c.Clear()
	require.Zero(t, c.Len())
}

func TestACacheOfNothingFetchesEachTime(t *testing.T) {
	c := dnscache.New[string, int](0)
	n := 0
	for want := 1; want <= 3; want++ {
		got, err := c.Do(t.Context(), "a", counted(&n, time.Hour))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Zero(t, c.Len())
}

func TestWhatWasForgottenMakesNoRoomLater(t *testing.T) {
	for name, forget := range map[string]func(*dnscache.Cache[string, int]){
		"by Clear": func(c *dnscache.Cache[string, int]) { c.Clear() },
		"by time":  func(*dnscache.Cache[string, int]) { time.Sleep(time.Hour) },
	} {
		synctest.Test(t, func(t *testing.T) {
			c := dnscache.New[string, int](3)
			n := 0
			_, err := c.Do(t.Context(), "a", counted(&n, time.Hour))
			require.NoError(t, err)
			forget(c)
			for _, step := range []struct {
				key  string
				want int
			}{{"a", 2}, {"b", 3}, {"c", 4}, {"a", 2}, {"d", 5}, {"a", 2}, {"c", 4}, {"d", 5}, {"b", 6}} {
				got, err := c.Do(t.Context(), step.key, counted(&n, time.Hour))
				require.NoError(t, err)
				require.Equal(t, step.want, got, "%s %s", name, step.key)
				require.LessOrEqual(t, c.Len(), 3)
			}
		})
	}
}

func TestManyCallersFetchOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dnscache.New[string, int](1)
		n := 0
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				got, err := c.Do(t.Context(), "a", func() (int, time.Duration, error) {
					time.Sleep(time.Second)
					n++
					return n, time.Hour, nil
				})
				require.NoError(t, err)
				require.Equal(t, 1, got)
			})
		}
		all.Wait()
	})
}

// A leader fetches for a second, with its own ctx.
func lead(c *dnscache.Cache[string, int], ctx context.Context, result error) <-chan error {
	done := make(chan error)
	go func() {
		_, err := c.Do(ctx, "a", func() (int, time.Duration, error) {
			select {
			case <-time.After(time.Second):
				return 7, 0, result
			case <-ctx.Done():
				return 0, 0, context.Cause(ctx)
			}
		})
		done <- err
	}()
	synctest.Wait()
	return done
}

func TestAFailureIsSharedAndNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dnscache.New[string, int](1)
		down := errors.New("the server is down")
		leader := lead(c, t.Context(), down)
		_, err := c.Do(t.Context(), "a", func() (int, time.Duration, error) { panic("fetched twice at once") })
		require.ErrorIs(t, err, down)
		require.ErrorIs(t, <-leader, down)
		got, err := c.Do(t.Context(), "a", func() (int, time.Duration, error) { return 5, time.Hour, nil })
		require.NoError(t, err)
		require.Equal(t, 5, got)
	})
}

func TestAValueWithoutTTLIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dnscache.New[string, int](1)
		leader := lead(c, t.Context(), nil)
		got, err := c.Do(t.Context(), "a", func() (int, time.Duration, error) { panic("fetched twice at once") })
		require.NoError(t, err)
		require.Equal(t, 7, got)
		require.NoError(t, <-leader)
		require.Zero(t, c.Len())
	})
}

func TestTheEndOfTheLeadersCtxIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dnscache.New[string, int](1)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		leader := lead(c, ctx, nil)
		got, err := c.Do(t.Context(), "a", func() (int, time.Duration, error) { return 5, time.Hour, nil })
		require.NoError(t, err)
		require.Equal(t, 5, got)
		require.ErrorIs(t, <-leader, context.DeadlineExceeded)
	})
}

func TestWaitingForAnothersFetchEndsWithCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dnscache.New[string, int](1)
		release, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			_, _ = c.Do(t.Context(), "a", func() (int, time.Duration, error) { <-release; return 1, 0, nil })
		}()
		synctest.Wait()
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		_, err := c.Do(ctx, "a", func() (int, time.Duration, error) { panic("fetched twice at once") })
		require.ErrorIs(t, err, why)
		close(release)
		<-done
	})
}

func TestPanicOfAFetchLeavesNobodyWaiting(t *testing.T) {
	c := dnscache.New[string, int](1)
	require.Panics(t, func() {
		_, _ = c.Do(t.Context(), "a", func() (int, time.Duration, error) { panic("user code") })
	})
	got, err := c.Do(t.Context(), "a", func() (int, time.Duration, error) { return 3, time.Hour, nil })
	require.NoError(t, err)
	require.Equal(t, 3, got)
}

func TestAFetchThatBeganBeforeClearIsNotRemembered(t *testing.T) {
	c := dnscache.New[string, int](3)
	n := 0
	stale, err := c.Do(t.Context(), "a", func() (int, time.Duration, error) {
		c.Clear() // for example because the network has changed
		fresh, err := c.Do(t.Context(), "a", counted(&n, time.Hour))
		require.NoError(t, err, "who comes after Clear fetches anew")
		require.Equal(t, 1, fresh)
		return -1, time.Hour, nil
	})
	require.NoError(t, err)
	require.Equal(t, -1, stale)
	got, err := c.Do(t.Context(), "a", counted(&n, time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, got)
}
