package pool

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// filled returns a Pool with many free values that nothing watches. With -race, a sync.Pool loses some at random.
func filled() *Pool[[64]byte] {
	p := &Pool[[64]byte]{}
	p.watched.Store(true)
	for range 1000 {
		p.Put(new([64]byte))
	}
	return p
}

// collect runs n collections, each followed by collected after a step of time.
func (p *Pool[T]) collect(n int, now time.Time, step time.Duration) time.Time {
	for range n {
		runtime.GC()
		now = now.Add(step)
		p.collected(now)
	}
	return now
}

func (p *Pool[T]) count() (n int) {
	for p.Get() != nil {
		n++
	}
	return n
}

func TestValuesOutliveCollectionsWithinTheWindow(t *testing.T) {
	p := filled()
	p.trimmed = time.Now()
	p.collect(4, p.trimmed, Window/10)
	require.NotZero(t, p.count(), "no value is left after four collections")
}

func TestUnusedValuesAreDroppedOncePerWindow(t *testing.T) {
	p := filled()
	p.trimmed = time.Now()
	now := p.collect(4, p.trimmed, Window/10)
	p.collect(4, now.Add(Window), Window/10)
	require.LessOrEqual(t, p.count(), runtime.GOMAXPROCS(0), "values are left that nobody has used for a window")
}

func TestRareCollectionsDropUnusedValues(t *testing.T) {
	p := filled()
	require.True(t, p.collected(time.Now()), "the watch ends although values are left")
	p.collect(3, time.Now(), 2*Window)
	require.Zero(t, p.count())
}

// A Pool may belong to a connection, and the collector would keep it as long as it is watched.
func TestWatchingEndsWithoutUse(t *testing.T) {
	for _, step := range []time.Duration{Window / 10, 2 * Window} {
		p := filled()
		p.trimmed = time.Now()
		calls, now := 1, p.trimmed
		for now = now.Add(step); calls < 20 && p.collected(now); now = now.Add(step) {
			calls++
		}
		require.LessOrEqual(t, calls, 12, step)
		require.NotNil(t, p.Get(), "it ended because nothing was left")
	}
}

func TestWatchingEndsWithTheLastValue(t *testing.T) {
	p := filled()
	p.trimmed = time.Now()
	p.count()
	require.False(t, p.collected(p.trimmed))
}

func TestTheCollectorCallsCollected(t *testing.T) {
	p := &Pool[[64]byte]{}
	for range 1000 {
		p.Put(new([64]byte))
	}
	require.True(t, p.watched.Load())
	for p.count(); p.watched.Load(); { // at the latest, it ends after two collections that are left alone
		runtime.GC()
		runtime.Gosched()
	}
	p.Put(new([64]byte))
	require.True(t, p.watched.Load())
}

func TestGetMakesAValueIfNoneIsFree(t *testing.T) {
	p := Pool[int]{New: func() *int { return new(7) }}
	require.Equal(t, 7, *p.Get())
	require.Nil(t, new(Pool[int]).Get())
}
