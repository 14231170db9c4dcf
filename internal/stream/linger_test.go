package stream_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/memconn"
	"github.com/weir-go/weir/internal/memtest"
	"github.com/weir-go/weir/internal/stream"
)

// queued is a net.Conn that reports how much is in transit.
type queued struct {
	*memconn.Conn
	outQueue func() int
}

func (q *queued) OutQueue() (n int, ok bool) { return q.outQueue(), true }

func TestThePeerHasTheCloseWaitFromTheGoodbyeOn(t *testing.T) {
	const wait, linger = 250 * time.Millisecond, 5 * time.Second
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for name, c := range map[string]struct {
		cfg    stream.Config
		queue  int           // bytes on their way when both halves have ended
		until  time.Duration // which the peer takes then
		speaks time.Duration // when it sends something, if it does
		ends   time.Duration // when it ends its side, if it does
		want   time.Duration
	}{
		"everything was there":                {queue: 0, want: wait},
		"the peer ends its side":              {queue: 0, ends: ms(30), want: ms(30)},
		"the goodbye takes 40 ms":             {queue: 1, until: ms(40), want: wait},
		"what TLS says, too":                  {queue: 31, until: ms(40), want: wait},
		"the goodbye takes as long":           {queue: 1, until: ms(249), want: wait},
		"the goodbye takes longer":            {queue: 1, until: ms(300), want: ms(300) + wait/5},
		"the goodbye never arrives":           {queue: 1, until: time.Hour, want: linger},
		"a goodbye, and the peer ends":        {queue: 1, until: ms(40), ends: ms(90), want: ms(90)},
		"a goodbye, and the peer speaks":      {queue: 1, until: ms(40), speaks: ms(100), want: ms(100) + wait},
		"the peer speaks":                     {queue: 0, speaks: ms(100), want: ms(100) + wait},
		"more takes 40 ms":                    {queue: 1000, until: ms(40), want: ms(40) + wait},
		"more never arrives":                  {queue: 1000, until: time.Hour, want: linger},
		"no wait":                             {cfg: stream.Config{CloseWait: -1}, queue: 0, want: 0},
		"no wait, but the goodbye is awaited": {cfg: stream.Config{CloseWait: -1}, queue: 1, until: ms(40), want: ms(40)},
		"a short linger":                      {cfg: stream.Config{Linger: ms(100)}, queue: 0, want: ms(100)},
		"a short linger, and a goodbye":       {cfg: stream.Config{Linger: ms(100)}, queue: 1, until: ms(10), want: ms(100)},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := memconn.Pipe(0)
			start := time.Now()
			s := stream.New(&queued{near, func() int {
				if time.Since(start) < c.until {
					return c.queue
				}
				return 0
			}}, config(&c.cfg))
			if c.speaks > 0 {
				time.AfterFunc(c.speaks, func() { _, _ = far.Write(make([]byte, 100)) })
			}
			if c.ends > 0 {
				time.AfterFunc(c.ends, func() { _ = far.CloseWrite() })
			}
			require.NoError(t, s.Close(), name)
			require.Equal(t, c.want, time.Since(start), name)
			require.NoError(t, far.Close())
		})
	}
}

// A server that stops closes many connections of idle peers at once.
func TestACloseThatWaitsHoldsNoBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 256
		var far [n]net.Conn
		var streams [n]*stream.Stream
		for i := range n {
			var near net.Conn
			near, far[i] = memconn.Pipe(0)
			streams[i] = stream.New(near, config(&stream.Config{CloseWait: time.Minute, Linger: time.Minute}))
		}
		before := settledHeap()
		for _, s := range streams {
			require.NoError(t, s.Out.Close())
			require.NoError(t, s.In.Close())
		}
		synctest.Wait()
		grown := (settledHeap() - before) / n
		t.Logf("%d bytes of heap each", grown)
		require.Less(t, grown, 8<<10)
		for i, s := range streams {
			require.NoError(t, far[i].Close())
			require.NoError(t, s.Close())
		}
	})
}

func settledHeap() int {
	heap, _ := memtest.InUse()
	return heap
}
