package pipeline_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/pipeline"
)

func TestSanity(t *testing.T) {
	ctx := t.Context()
	sq := func(_ context.Context, v int) (int, error) { return v * v, nil }
	want := upto(1000)
	for i := range want {
		want[i] *= want[i]
	}
	for n := 1; n < 9; n++ {
		got, err := drain(t, pipeline.MapConcurrent(ctx, of(upto(1000)...), n, sq))
		require.NoError(t, err)
		require.Equal(t, want, got)
		got, err = drain(t, pipeline.MapUnordered(ctx, of(upto(1000)...), n, sq))
		require.NoError(t, err)
		require.ElementsMatch(t, want, got)
		got, err = drain(t, pipeline.Buffer(ctx, of(upto(1000)...), n, pipeline.Block))
		require.NoError(t, err)
		require.Equal(t, upto(1000), got)
	}
	outs := pipeline.Tee(ctx, of(upto(1000)...), 3)
	got, err := drain(t, pipeline.Merge(ctx, outs...))
	require.NoError(t, err)
	require.Len(t, got, 3000)
}
