package pipeline_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

func TestQueueWithoutASizeHoldsDefaultQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, out := chanio.PipeOf[int](0)
		queued := pipeline.BufferWith(t.Context(), src, &pipeline.Queue[int]{Policy: pipeline.DropNewest})
		for i := range 3 * pipeline.DefaultQueue {
			require.NoError(t, out.Send(t.Context(), i))
		}
		synctest.Wait()
		require.Equal(t, pipeline.DefaultQueue, queued.Describe().Queued)
		require.Equal(t, uint64(2*pipeline.DefaultQueue), queued.Describe().Dropped)
		require.NoError(t, queued.Close())
	})
}
