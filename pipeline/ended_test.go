package pipeline_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// TestG2ARecvWhoseCtxHasEndedHasNoEffect calls every consumer with such a ctx before the first value or the end.
func TestG2ARecvWhoseCtxHasEndedHasNoEffect(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBoom)
	bg := t.Context()
	s := func() src { return chanio.FromSlice([]int{1, 2, 3}) }
	e := func() src { return chanio.FromSlice([]int{}) }
	for name, mk := range map[string]func() src{
		"FromSlice": s, "empty": e,
		"Take0":        func() src { return pipeline.Take(s(), 0) },
		"Take2":        func() src { return pipeline.Take(s(), 2) },
		"Concat none":  func() src { return pipeline.Concat[int]() },
		"Concat empty": func() src { return pipeline.Concat(e(), e()) },
		"ConcatAll":    func() src { return pipeline.ConcatAll(chanio.FromSlice([]*chanio.Source[int]{})) },
		"ConcatAll2":   func() src { return pipeline.ConcatAll(chanio.FromSlice([]*chanio.Source[int]{s()})) },
		"Merge none":   func() src { return pipeline.Merge[int](bg) },
		"Zip":          func() src { return pipeline.Zip(s(), s(), func(a, b int) int { return a }) },
		"Zip empty":    func() src { return pipeline.Zip(e(), s(), func(a, b int) int { return a }) },
		"Scan":         func() src { return pipeline.Scan(s(), 0, func(a, b int) int { return a }) },
		"Flat":         func() src { return pipeline.FlatMap(s(), func(a int) []int { return []int{a, a} }) },
		"Period":       func() src { return pipeline.Periodically(1, func(time.Time) int { return 1 }) },
		"TakeWhile":    func() src { return pipeline.TakeWhile(s(), func(int) bool { return false }) },
		"FromSeq":      func() src { return chanio.FromSeq(func(yield func(int) bool) { yield(1) }) },
		"Retry": func() src {
			return pipeline.Retry(func(context.Context) (*chanio.Source[int], error) { return s(), nil }, nil)
		},
		"Partition": func() src {
			return pipeline.ConcatAll(pipeline.PartitionBy(s(), func(v int) int { return v }))
		},
		"Batch":  func() src { return pipeline.Flatten(pipeline.Batch(s(), 2, 0)) },
		"Chunks": func() src { return pipeline.Flatten(pipeline.ReadyChunks(s(), 2)) },
		"MapConc": func() src {
			return pipeline.MapConcurrent(bg, s(), 2, func(_ context.Context, v int) (int, error) { return v, nil })
		},
	} {
		src := mk()
		_, err := src.Recv(ctx)
		require.Equal(t, errBoom, err, name)
		all, err := pipeline.Collect(ctx, src)
		require.Equal(t, errBoom, err, name)
		require.Empty(t, all, name)
		for range src.C(ctx) {
			require.Fail(t, name)
		}
		require.Equal(t, errBoom, src.Err(), name)
		dst := chanio.NewSink(chanio.SinkHooks[int]{Send: func(context.Context, int) error { return nil }})
		require.Equal(t, errBoom, pipeline.Connect(ctx, src, dst), name)
		require.False(t, isDone(src.Done()), name)
		require.False(t, isDone(dst.Done()), name)
		require.NoError(t, src.Close(), name)
	}
}
