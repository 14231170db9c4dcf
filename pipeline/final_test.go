package pipeline_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// late returns the error of a call on another stream whose deadline has passed. It says that the call may be repeated.
func late(t *testing.T) error {
	conn, _ := chanio.Pipe()
	defer conn.Abort(nil)
	require.NoError(t, conn.SetReadDeadline(time.Unix(1, 0)))
	_, err := conn.In.Recv(t.Context())
	require.True(t, chanio.Resumable(t.Context(), err))
	return err
}

// An error that ends a stream says so, even if it has been that of a call: a receiver that repeats calls notices the end.
func TestAnErrorOfACallThatEndsAStreamIsNoLongerThatOfACall(t *testing.T) {
	err := late(t)
	failed := func() src {
		s, to := chanio.PipeOf[int](0)
		to.Abort(err)
		return s
	}
	fails := func(int) (int, error) { return 0, err }
	failsIn := func(ctxt, int) (int, error) { return 0, err }
	for name, s := range map[string]src{
		"Abort":         failed(),
		"Map":           pipeline.Map(failed(), func(v int) int { return v }),
		"Batch":         flattened(pipeline.Batch(failed(), 2, time.Hour)),
		"Buffer":        pipeline.Buffer(t.Context(), failed(), 1, pipeline.Block),
		"Merge":         pipeline.Merge(t.Context(), failed()),
		"Tee":           pipeline.Tee(t.Context(), failed(), 1)[0],
		"Buffer, panic": pipeline.Buffer(t.Context(), pipeline.Map(of(1), func(int) int { panic(err) }), 1, pipeline.Block),
		"MapErr":        pipeline.MapErr(of(1, 2), fails),
		"Transform":     pipeline.Transform(of(1, 2), func(int, func(int)) error { return err }, nil),
		"MapConcurrent": pipeline.MapConcurrent(t.Context(), of(1, 2), 2, failsIn),
		"MapUnordered":  pipeline.MapUnordered(t.Context(), of(1, 2), 2, failsIn),
		"Retry": pipeline.Retry(func(ctxt) (src, error) { return failed(), nil },
			&pipeline.RetryConfig{Permanent: func(error) bool { return true }}),
		"Retry, open": pipeline.Retry(func(ctxt) (src, error) { return nil, err },
			&pipeline.RetryConfig{Permanent: func(error) bool { return true }}),
	} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				_, err := s.Recv(t.Context())
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.False(t, chanio.Resumable(t.Context(), err))
			}
			require.True(t, isDone(s.Done()))
			require.ErrorIs(t, s.Err(), os.ErrDeadlineExceeded)
		})
	}
}

func TestRetryOpensAgainAfterASourceThatWasAbortedWithTheErrorOfACall(t *testing.T) {
	s, to := chanio.PipeOf[int](0)
	to.Abort(late(t))
	waiting := holding(s, of(1))
	retry := pipeline.Retry(func(ctx ctxt) (src, error) { return waiting.Recv(ctx) }, &pipeline.RetryConfig{Min: 1})
	got, err := pipeline.Collect(t.Context(), retry)
	require.NoError(t, err)
	require.Equal(t, []int{1}, got)
}
