package chanio_test

import (
	"context"
	"os"
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

// A deadline that is set, moved and passes while senders are in line ends their waits, and no others.
func TestADeadlineEndsTheWaitsOfAllInLine(t *testing.T) {
	for _, size := range []int{1000, 100_000} {
		synctest.Test(t, func(t *testing.T) {
			near, far := chanio.Pipe()
			var senders sync.WaitGroup
			start := time.Now()
			for range 6 {
				senders.Go(func() {
					for err := error(nil); ; {
						if err = near.Out.Send(t.Context(), make([]byte, size)); err != nil {
							require.ErrorIs(t, err, os.ErrDeadlineExceeded)
							require.Equal(t, 20*time.Second, time.Since(start))
							return
						}
					}
				})
			}
			for _, after := range []time.Duration{5 * time.Second, 0, 20 * time.Second} {
				synctest.Wait()
				at := start.Add(after)
				if after == 0 {
					at = time.Time{}
				}
				require.NoError(t, near.SetWriteDeadline(at))
			}
			senders.Wait()
			near.Abort(nil)
			far.Abort(nil)
			<-far.Done()
		})
	}
}
