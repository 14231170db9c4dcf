package stream_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/memconn"
	"github.com/weir-go/weir/internal/stream"
)

// While senders keep coming, and the peer reads, each gets in. Large values are written from where they are, which one
// sender at a time can do; the others go to a queue.
func TestNoSenderIsKeptOutForEver(t *testing.T) {
	const small, large = 1000, 100_000
	for _, procs := range []int{1, 2} {
		for name, c := range map[string]struct{ many, one int }{
			"small among small": {small, small},
			"small among large": {large, small},
			"large among small": {small, large},
			"large among large": {large, large},
		} {
			t.Run(fmt.Sprint(name, " ", procs), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				synctest.Test(t, func(t *testing.T) { keepOut(t, c.many, c.one) })
			})
		}
	}
}

// keepOut has some senders send values of many bytes, and another sometimes one of one byte.
func keepOut(t *testing.T, many, one int) {
	a, peer := memconn.Pipe(0)
	x := stream.New(a, config(nil))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var all sync.WaitGroup
	var sent atomic.Int64
	for range 3 {
		all.Go(func() {
			for p := data(many); x.Out.Send(ctx, p) == nil; {
				sent.Add(1)
			}
		})
	}
	all.Go(func() {
		for p := make([]byte, 40_000); ; time.Sleep(time.Millisecond) {
			if n, err := peer.Read(p); n == 0 || err != nil {
				return
			}
		}
	})
	for range 5 {
		time.Sleep(20 * time.Millisecond)
		before := sent.Load()
		require.NoError(t, x.Out.Send(ctx, data(one)))
		require.Less(t, sent.Load()-before, int64(1000))
		n, err := x.Out.SendAll(ctx, [][]byte{data(one), data(one), data(one)})
		require.NoError(t, err)
		require.Equal(t, 3, n)
	}
	cancel()
	x.Abort(nil)
	all.Wait()
	<-x.Released()
}
