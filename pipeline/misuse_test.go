package pipeline_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// misuse is a call that panics at once, and not at the first value.
type misuse struct {
	want string
	call func()
}

// misuses returns one for every argument that can be wrong.
func misuses() []misuse {
	ctx := context.Background()
	var none src
	var noCtx context.Context
	some := func() src { return ints() }
	dst := func() *chanio.Sink[int] { return newSink(1).Sink }
	f := func(_ context.Context, v int) (int, error) { return v, nil }
	bytes := chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next:     func(context.Context) ([]byte, error) { return nil, nil },
		Borrowed: true,
	})
	const copyThem = " holds values, and those of this Source are borrowed: copy them with Map first"
	return []misuse{
		{"pipeline: Map: f is nil", func() { pipeline.Map[int, int](some(), nil) }},
		{"pipeline: MapErr: f is nil", func() { pipeline.MapErr[int, int](some(), nil) }},
		{"pipeline: Filter: keep is nil", func() { pipeline.Filter(some(), nil) }},
		{"pipeline: FilterMap: f is nil", func() { pipeline.FilterMap[int, int](some(), nil) }},
		{"pipeline: Tap: f is nil", func() { pipeline.Tap(some(), nil) }},
		{"pipeline: CompactFunc: equal is nil", func() { pipeline.CompactFunc(some(), nil) }},
		{"pipeline: TakeWhile: keep is nil", func() { pipeline.TakeWhile(some(), nil) }},
		{"pipeline: DropWhile: drop is nil", func() { pipeline.DropWhile(some(), nil) }},
		{"pipeline: Scan: f is nil", func() { pipeline.Scan[int, int](some(), 0, nil) }},
		{"pipeline: Reduce: f is nil", func() { _, _ = pipeline.Reduce[int, int](ctx, some(), 0, nil) }},
		{"pipeline: ForEach: f is nil", func() { _ = pipeline.ForEach(ctx, some(), nil) }},
		{"pipeline: FlatMap: f is nil", func() { pipeline.FlatMap[int, int](some(), nil) }},
		{"pipeline: Transform: step is nil", func() { pipeline.Transform[int, int](some(), nil, nil) }},
		{"pipeline: Zip: combine is nil", func() { pipeline.Zip[int, int, int](some(), some(), nil) }},
		{"pipeline: PartitionBy: key is nil", func() { pipeline.PartitionBy[int, int](some(), nil) }},
		{"pipeline: BatchBy: metric is nil", func() { pipeline.BatchBy(some(), nil, 1, 0) }},
		{"pipeline: BufferBy: metric is nil", func() { pipeline.BufferBy(ctx, some(), nil, 1, 0) }},
		{"pipeline: Rollup: fresh is nil", func() { pipeline.Rollup(some(), 1, nil, max0) }},
		{"pipeline: Rollup: add is nil", func() { pipeline.Rollup(some(), 1, func() int { return 0 }, nil) }},
		{"pipeline: Periodically: f is nil", func() { pipeline.Periodically[int](1, nil) }},
		{"pipeline: Retry: open is nil", func() { pipeline.Retry[int](nil, nil) }},
		{"pipeline: MapConcurrent: f is nil", func() { pipeline.MapConcurrent[int, int](ctx, some(), 1, nil) }},
		{"pipeline: MapUnordered: f is nil", func() { pipeline.MapUnordered[int, int](ctx, some(), 1, nil) }},
		{"pipeline: ForEachConcurrent: f is nil", func() { _ = pipeline.ForEachConcurrent(ctx, some(), 1, nil) }},
		{"pipeline: ConnectVia: f is nil", func() { _ = pipeline.ConnectVia[int, int](ctx, some(), dst(), nil) }},
		{"pipeline: Splice: out is nil", func() { pipeline.Splice[int, int](nil, some()) }},
		{"pipeline: Splice: in is nil", func() { pipeline.Splice[int](dst(), none) }},

		{"pipeline.Map: the Source is nil", func() { pipeline.Map(none, inc) }},
		{"pipeline.Merge: the Source is nil", func() { pipeline.Merge(ctx, some(), none) }},
		{"pipeline.Concat: the Source is nil", func() { pipeline.Concat(some(), none) }},
		{"pipeline.Connect: the Source is nil", func() { _ = pipeline.Connect(ctx, none, dst()) }},
		{"pipeline: Connect: the Sink is nil", func() { _ = pipeline.Connect(ctx, some(), nil) }},

		{"pipeline: Buffer: ctx is nil", func() { pipeline.Buffer(noCtx, some(), 1, 0) }},
		{"pipeline: Merge: ctx is nil", func() { pipeline.Merge(noCtx, some()) }},
		{"pipeline: Collect: ctx is nil", func() { _, _ = pipeline.Collect(noCtx, some()) }},

		{"pipeline: Take: n is -1, must be at least 0", func() { pipeline.Take(some(), -1) }},
		{"pipeline: Drop: n is -1, must be at least 0", func() { pipeline.Drop(some(), -1) }},
		{"pipeline: Batch: n is 0, must be at least 1", func() { pipeline.Batch(some(), 0, 0) }},
		{"pipeline: Batch: delay is -1ns, must be at least 0s", func() { pipeline.Batch(some(), 1, -1) }},
		{"pipeline: BatchBy: limit is 0, must be at least 1", func() { pipeline.BatchBy(some(), one(nothing), 0, 0) }},
		{"pipeline: BatchBy: delay is -1ns, must be at least 0s", func() { pipeline.BatchBy(some(), one(nothing), 1, -1) }},
		{"pipeline: ReadyChunks: n is 0, must be at least 1", func() { pipeline.ReadyChunks(some(), 0) }},
		{"pipeline: Window: period is 0s, must be at least 1ns", func() { pipeline.Window(some(), 0, 1) }},
		{"pipeline: Window: n is 0, must be at least 1", func() { pipeline.Window(some(), 1, 0) }},
		{"pipeline: Rollup: period is 0s, must be at least 1ns", func() { pipeline.Rollup(some(), 0, func() int { return 0 }, max0) }},
		{"pipeline: Throttle: interval is 0s, must be at least 1ns", func() { pipeline.Throttle(some(), 0, 1) }},
		{"pipeline: Throttle: burst is 0, must be at least 1", func() { pipeline.Throttle(some(), 1, 0) }},
		{"pipeline: Timeout: idle is 0s, must be at least 1ns", func() { pipeline.Timeout(some(), 0) }},
		{"pipeline: Periodically: period is 0s, must be at least 1ns", func() {
			pipeline.Periodically(0, func(time.Time) int { return 0 })
		}},
		{"pipeline: Retry: Min is -1ns, must be at least 0s", func() {
			pipeline.Retry(func(context.Context) (src, error) { return nil, nil }, &pipeline.RetryConfig{Min: -1})
		}},
		{"pipeline: Retry: Max is -1ns, must be at least 0s", func() {
			pipeline.Retry(func(context.Context) (src, error) { return nil, nil }, &pipeline.RetryConfig{Max: -1})
		}},
		{"pipeline: Retry: Attempts is -1, must be at least 0", func() {
			pipeline.Retry(func(context.Context) (src, error) { return nil, nil }, &pipeline.RetryConfig{Attempts: -1})
		}},
		{"pipeline: Buffer: n is 0, must be at least 1", func() { pipeline.Buffer(ctx, some(), 0, 0) }},
		{"pipeline: BufferBy: limit is 0, must be at least 1", func() { pipeline.BufferBy(ctx, some(), one(nothing), 0, 0) }},
		{"pipeline: BufferWith: Size is -1, must not be negative", func() {
			pipeline.BufferWith(ctx, some(), &pipeline.Queue[int]{Size: -1})
		}},
		{"pipeline: Buffer: invalid Policy(9)", func() { pipeline.Buffer(ctx, some(), 1, 9) }},
		{"pipeline: Tee: n is 0, must be at least 1", func() { pipeline.Tee(ctx, some(), 0) }},
		{"pipeline: TeeWith: the number of queues is 0, must be at least 1", func() { pipeline.TeeWith(ctx, some()) }},
		{"pipeline: Merge: Size is -1, must not be negative", func() {
			pipeline.MergeWith[int](ctx, nil, &pipeline.MergeConfig{Size: -1})
		}},
		{"pipeline: MapConcurrent: n is 0, must be at least 1", func() { pipeline.MapConcurrent(ctx, some(), 0, f) }},
		{"pipeline: MapUnordered: n is 0, must be at least 1", func() { pipeline.MapUnordered(ctx, some(), 0, f) }},
		{"pipeline: Connect: SendTimeout is -1ns, must be at least 0s", func() {
			_ = pipeline.ConnectWith(ctx, some(), dst(), &pipeline.ConnectConfig{SendTimeout: -1})
		}},

		{"pipeline: Batch" + copyThem, func() { pipeline.Batch(bytes, 1, 0) }},
	}
}

func TestCollectAloneOfTheConsumersRefusesBorrowedValues(t *testing.T) {
	lent := func() *chanio.Source[[]byte] {
		left := 2
		return chanio.NewSource(chanio.SourceHooks[[]byte]{
			Next: func(context.Context) ([]byte, error) {
				if left--; left < 0 {
					return nil, io.EOF
				}
				return []byte("x"), nil
			},
			Borrowed: true,
		})
	}
	require.PanicsWithValue(t, "pipeline: Collect holds values, and those of this Source are borrowed: copy them with Map first",
		func() { _, _ = pipeline.Collect(t.Context(), lent()) })
	n := 0
	require.NoError(t, pipeline.ForEach(t.Context(), lent(), func([]byte) error { n++; return nil }))
	require.Equal(t, 2, n)
}
