package datagram

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/coalesce"
)

// kernel is a writer with prepared results.
type kernel struct {
	mu      sync.Mutex
	room    int              // datagrams
	refuses map[string]error // these
	reports map[string]error // instead of these, once
	slow    chan struct{}    // if not nil, a write returns when it is closed
	more    chan struct{}
	calls   int
	sent    []string
	closed  <-chan struct{}
}

// clogged returns a Conn that nobody reads, with a kernel that has room for a number of datagrams. It can be used in a
// bubble.
func clogged(t *testing.T, room int, cfg Config) (*Conn, *kernel) {
	c := open(t, cfg)
	k := &kernel{room: room, more: make(chan struct{}, 1), closed: c.Done()}
	c.out.w = k
	return c, k
}

func (k *kernel) free(n int) {
	k.mu.Lock()
	k.room += n
	k.mu.Unlock()
	k.more <- struct{}{}
}

func (k *kernel) write(q *queue, wait bool) (n int, err error) {
	if k.slow != nil {
		defer func() { <-k.slow }()
	}
	for {
		if n, err = k.take(q); n > 0 || err != nil {
			return n, err
		}
		if !wait {
			return 0, errFull
		}
		select {
		case <-k.more:
		case <-k.closed:
			return 0, os.ErrClosed
		}
	}
}

func (k *kernel) take(q *queue) (n int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	for off := q.off; n < q.left() && k.room > 0; n++ {
		s := string(q.payload(n, off))
		if err := k.refuses[s]; err != nil {
			return n, err
		}
		if err := k.reports[s]; err != nil {
			delete(k.reports, s)
			return n, err
		}
		k.sent = append(k.sent, s)
		off += q.msgs[q.first+n].size
		k.room--
	}
	return n, nil
}

var somewhere = netip.MustParseAddrPort("127.0.0.1:9")

func (k *kernel) got() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.sent...)
}

func numbers(from, to int) (s []string) {
	for i := from; i < to; i++ {
		s = append(s, fmt.Sprint(i))
	}
	return s
}

func sendNumbers(t *testing.T, c *Conn, from, to int) {
	for _, s := range numbers(from, to) {
		require.NoError(t, c.Out.Send(t.Context(), chanio.Packet{Addr: somewhere, Data: []byte(s)}))
	}
}

func TestG8TheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 10, Config{})
		sendNumbers(t, c, 0, 10+roomCount)
		p := chanio.Packet{Addr: somewhere, Data: []byte("late")}
		ok, err := c.Out.TrySend(p)
		require.NoError(t, err)
		require.False(t, ok)

		ctx, cancel := context.WithCancelCause(t.Context())
		sent := make(chan error)
		go func() { sent <- c.Out.Send(ctx, p) }()
		synctest.Wait()
		cancel(errGivenUp)
		require.ErrorIs(t, <-sent, errGivenUp, "G2: it was not accepted")

		go func() { sent <- c.Out.Send(t.Context(), p) }()
		flushed := make(chan error)
		go func() { flushed <- c.Out.Flush(t.Context()) }()
		synctest.Wait()
		k.free(1)
		require.NoError(t, <-sent, "room for one is enough")
		k.free(1 << 20)
		require.NoError(t, <-flushed)
		require.NoError(t, c.Close())
		require.Equal(t, append(numbers(0, 10+roomCount), "late"), k.got())
	})
}

func TestLargeDatagramsAreBoundedByTheirSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := clogged(t, 0, Config{})
		big := chanio.Packet{Addr: somewhere, Data: make([]byte, 60<<10)}
		accepted := 0
		for ; accepted < 100; accepted++ {
			if ok, err := c.Out.TrySend(big); err != nil || !ok {
				require.NoError(t, err)
				break
			}
		}
		require.Equal(t, 5, accepted, "beyond 256 KiB nothing more is accepted")
		c.Out.Abort(nil)
	})
}

func TestG5CloseWaitsForTheLingerBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 0, Config{Linger: time.Minute})
		sendNumbers(t, c, 0, 3)
		began := time.Now()
		time.AfterFunc(50*time.Second, func() { k.free(1) })
		err := c.Out.Close()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorIs(t, c.Out.Err(), os.ErrDeadlineExceeded)
		require.Equal(t, 2*time.Minute, time.Since(began), "there was progress in the first minute and none in the second")
		require.Equal(t, numbers(0, 1), k.got())
	})
}

func TestHeldDatagramsLeaveAfterTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 1<<20, Config{})
		uncork := c.Out.Cork()
		sendNumbers(t, c, 0, 5)
		require.Empty(t, k.got())
		time.Sleep(coalesce.DefaultDelay - 1)
		synctest.Wait()
		require.Empty(t, k.got())
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		require.Equal(t, numbers(0, 5), k.got())
		require.Equal(t, 1, k.calls)

		sendNumbers(t, c, 5, 6)
		require.Equal(t, numbers(0, 6), k.got(), "a delay that has passed is not waited for twice")
		uncork()
		uncork = c.Out.Cork()
		sendNumbers(t, c, 6, 8)
		require.Equal(t, numbers(0, 6), k.got(), "until corked again")
		c.Out.Cork()()
		require.Equal(t, numbers(0, 6), k.got(), "corks nest")
		uncork()
		require.Equal(t, numbers(0, 8), k.got())
		require.NoError(t, c.Close())
	})
}

func TestAFullQueueIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 1<<20, Config{})
		c.Out.Cork()
		sendNumbers(t, c, 0, queueSize-1)
		require.Empty(t, k.got())
		sendNumbers(t, c, queueSize-1, queueSize)
		require.Equal(t, numbers(0, queueSize), k.got())
		require.Equal(t, 1, k.calls)
		require.NoError(t, c.Close())
	})
}

func TestWithoutCoalescingNothingIsHeld(t *testing.T) {
	c, k := clogged(t, 1<<20, Config{Coalesce: -1})
	c.Out.Cork()
	sendNumbers(t, c, 0, 3)
	require.Equal(t, 3, k.calls)
	require.NoError(t, c.Close())
}

func TestOrderHoldsWhenTheKernelFillsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 0, Config{})
		for i := range 50 {
			sendNumbers(t, c, 3*i, 3*i+3)
			k.free(2)
			synctest.Wait()
		}
		k.free(1000)
		require.NoError(t, c.Out.Flush(t.Context()))
		require.Equal(t, numbers(0, 150), k.got())
		require.True(t, errors.Is(c.Out.Close(), errors.ErrUnsupported))
	})
}
