package chanio_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// A Source is used in turn by Recv, TryRecv, All, C, a stage that puts back, Connect and Transfer, each cancelled at
// some point. Whatever the order, every value arrives once and in order.
func TestConsumersThatFollowOneAnotherLoseNothing(t *testing.T) {
	for seed := range 100 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) { inTurns(t, rand.New(rand.NewPCG(uint64(seed), 1))) })
	}
}

func inTurns(t *testing.T, r *rand.Rand) {
	const total = 400
	in, out := chanio.PipeOf[int](1 + r.IntN(20))
	base, stopAll := context.WithTimeout(t.Context(), 30*time.Second)
	defer stopAll()
	go func() {
		for v := range total {
			if err := out.Send(base, v); err != nil {
				t.Error(err)
				return
			}
		}
		out.Close()
	}()
	want := 0
	got := func(v int, how string) {
		require.Equal(t, want, v, how)
		want++
	}
	var log []string
	defer func() {
		if t.Failed() {
			t.Log(log)
		}
	}()
	for ended := false; !ended; {
		ctx, cancel := context.WithCancel(base)
		n := r.IntN(30)
		kind := r.IntN(6)
		log = append(log, fmt.Sprint(kind, ":", n, "@", want))
		switch kind {
		case 0:
			for range n {
				v, err := in.Recv(ctx)
				if err == io.EOF {
					ended = true
					break
				}
				require.NoError(t, err)
				got(v, "Recv")
			}
		case 1:
			for range n {
				v, ok, err := in.TryRecv()
				if err == io.EOF {
					ended = true
				} else {
					require.NoError(t, err)
				}
				if !ok {
					break
				}
				got(v, "TryRecv")
			}
		case 2:
			for v, err := range in.Values(ctx) {
				if err != nil {
					require.ErrorIs(t, err, context.Canceled)
					break
				}
				got(v, "Values")
				if n--; n == 3 {
					cancel()
				} else if n < 0 {
					break
				}
			}
		case 3:
			for v := range in.C(ctx) {
				got(v, "C")
				if n--; n < 0 {
					break
				}
			}
			cancel()
		case 4:
			up, err := in.Acquire(ctx, "test")
			require.NoError(t, err)
			var held []int
			for range n {
				v, ok, err := up.TryNext()
				if err != nil || !ok {
					break
				}
				held = append(held, v)
			}
			k := r.IntN(len(held) + 1)
			for i := len(held) - 1; i >= k; i-- {
				up.Unread(held[i])
			}
			up.Release()
			for _, v := range held[:k] {
				got(v, "stage")
			}
		case 5:
			left := n
			sink := chanio.NewSink(chanio.SinkHooks[int]{Send: func(ctx context.Context, v int) error {
				if left--; left < 0 {
					cancel()
					return chanio.Cause(ctx)
				}
				got(v, "Connect")
				return nil
			}})
			if err := pipeline.ConnectWith(ctx, in, sink, &pipeline.ConnectConfig{KeepSink: true}); err == nil {
				ended = true
			} else {
				require.ErrorIs(t, err, context.Canceled)
			}
		}
		cancel()
	}
	require.Equal(t, total, want)
}
