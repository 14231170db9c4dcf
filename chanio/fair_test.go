package chanio_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// Senders that wait for room are served in order once one has waited for long, whatever others send meanwhile.
func TestNoSenderIsOvertakenForEver(t *testing.T) {
	for name, sizes := range map[string][]int{
		"small values":       {1000, 1000, 1000, 1000},
		"large ones":         {100_000, 100_000, 100_000, 100_000},
		"small behind large": {1000, 100_000, 100_000, 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := chanio.Pipe()
				ctx, cancel := context.WithCancel(t.Context())
				sent := make([]int, len(sizes))
				var senders sync.WaitGroup
				for i, size := range sizes {
					senders.Go(func() {
						for near.Out.Send(ctx, make([]byte, size)) == nil {
							sent[i]++
						}
					})
				}
				total := 0
				for total < 20*100_000 {
					p, err := far.In.Recv(ctx)
					require.NoError(t, err)
					total += len(p)
					time.Sleep(time.Millisecond)
				}
				cancel()
				senders.Wait()
				require.Positive(t, slices.Min(sent), "%v", sent)
				near.Abort(nil)
				far.Abort(nil)
				<-far.Done()
			})
		})
	}
}

// Senders that wait for different things do not wait for each other.
func TestSendersInLineGoOnOneAfterTheOther(t *testing.T) {
	for _, sizes := range [][]int{{100_000, 1000, 100_000}, {100_000, 100_000, 1000}, {60_000, 1000, 100_000, 1000, 100_000, 1}} {
		synctest.Test(t, func(t *testing.T) {
			near, far := chanio.Pipe()
			var senders sync.WaitGroup
			total := 0
			for _, size := range sizes {
				total += size
				senders.Go(func() { _ = near.Out.Send(t.Context(), make([]byte, size)) })
				synctest.Wait()
			}
			for total > 0 { // without a pause, so that nobody has waited for long
				p, err := far.In.Recv(t.Context())
				require.NoError(t, err)
				total -= len(p)
			}
			senders.Wait()
			near.Abort(nil)
			far.Abort(nil)
			<-far.Done()
		})
	}
}
