package memconn

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	noDeadline time.Time
	longAgo    = time.Unix(1, 0)
)

func TestAPastDeadlineUnblocksAtOnceAndPersists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(1)
		reads, writes := blockedReads(a), blockedWrites(a)
		require.NoError(t, a.SetDeadline(longAgo))
		requireAll(t, os.ErrDeadlineExceeded, reads, writes)
		io.WriteString(b, "x")
		requireEveryCallFails(t, a, os.ErrDeadlineExceeded)

		require.NoError(t, a.SetDeadline(noDeadline))
		_, err := a.Read(make([]byte, 1))
		require.NoError(t, err)
	})
}

func TestADeadlineEndsABlockedCallWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := Pipe(1)
		reads, writes := blockedReads(a), blockedWrites(a)
		start := time.Now()
		require.NoError(t, a.SetReadDeadline(start.Add(time.Second)))
		require.NoError(t, a.SetWriteDeadline(start.Add(time.Minute)))
		requireAll(t, os.ErrDeadlineExceeded, reads)
		require.Equal(t, time.Second, time.Since(start))
		requireAll(t, os.ErrDeadlineExceeded, writes)
		require.Equal(t, time.Minute, time.Since(start))
		requireEveryCallFails(t, a, os.ErrDeadlineExceeded)
	})
}

func TestAWriteThatTimesOutSaysWhatItWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := Pipe(3)
		require.NoError(t, a.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := a.Write([]byte("abcdef"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 3, n)
	})
}

func TestTheLastDeadlineSetHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := Pipe(1)
		start := time.Now()
		reads := blockedReads(a)
		for _, d := range []time.Duration{time.Second, time.Hour, time.Minute} {
			require.NoError(t, a.SetReadDeadline(start.Add(d)))
		}
		requireAll(t, os.ErrDeadlineExceeded, reads)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

func TestAClearedDeadlineDoesNotFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(1)
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Second)))
		reads := blockedReads(a)
		require.NoError(t, a.SetReadDeadline(noDeadline))
		time.Sleep(time.Hour)
		require.Empty(t, reads)
		b.Close()
		requireAll(t, io.EOF, reads)
	})
}

func TestACallbackInFlightLeavesALaterDeadlineAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := Pipe(1)
		s := a.in
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Second)))
		for _, later := range []time.Time{time.Now().Add(time.Hour), noDeadline} {
			require.NoError(t, a.SetReadDeadline(later))
			s.expire(&s.readDeadline)
			require.False(t, s.readDeadline.passed)
		}
		require.NoError(t, a.SetReadDeadline(longAgo))
		s.expire(&s.readDeadline)
		require.True(t, s.readDeadline.passed)
	})
}

func TestCloseStopsTheTimers(t *testing.T) {
	for name, end := range ends {
		synctest.Test(t, func(t *testing.T) {
			a, _ := Pipe(1)
			require.NoError(t, a.SetDeadline(time.Now().Add(time.Hour)))
			end(a)
			require.False(t, a.in.readDeadline.timer.Stop(), name)
			require.False(t, a.out.writeDeadline.timer.Stop(), name)
			require.ErrorIs(t, a.SetDeadline(time.Now().Add(time.Hour)), net.ErrClosed)
		})
	}
}

func TestDeadlinesMayBeSetWhileCallsBlock(t *testing.T) {
	a, b := Pipe(4)
	var setter, copying sync.WaitGroup
	for _, c := range []*Conn{a, b} {
		setter.Go(func() {
			for range 1000 {
				c.SetDeadline(longAgo)
				c.SetDeadline(time.Now().Add(time.Microsecond))
				c.SetDeadline(noDeadline)
				runtime.Gosched()
			}
		})
	}
	const total = 5000
	copying.Go(func() {
		for left := total; left > 0; {
			n, _ := a.Write(make([]byte, min(left, 9)))
			left -= n
		}
		a.CloseWrite()
	})
	copying.Go(func() {
		got := 0
		for {
			n, err := b.Read(make([]byte, 7))
			if got += n; err == io.EOF {
				break
			}
		}
		if got != total {
			t.Errorf("read %d bytes of %d", got, total)
		}
	})
	setter.Wait()
	copying.Wait()
}

func TestSettingADeadlineDoesNotAllocate(t *testing.T) {
	a, _ := Pipe(0)
	defer a.Close()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		a.SetReadDeadline(longAgo)
		a.SetReadDeadline(noDeadline)
	}))
	require.Nil(t, a.in.readDeadline.timer)
	require.Zero(t, testing.AllocsPerRun(100, func() { // the timer is made by the first, uncounted run
		a.SetDeadline(time.Now().Add(time.Hour))
	}))
}

func BenchmarkCancelByDeadline(b *testing.B) {
	a, _ := Pipe(0)
	b.ReportAllocs()
	for b.Loop() {
		a.SetReadDeadline(longAgo)
		a.SetReadDeadline(noDeadline)
	}
}
