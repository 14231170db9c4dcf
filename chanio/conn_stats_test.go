package chanio_test

import (
	"context"
	"errors"
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
)

func TestStatsCountWhatPassed(t *testing.T) {
	pairs := map[string]func(testing.TB) (near, far *chanio.Conn){"unix": unixPair, "foreign": foreignPair, "tls": tlsPair}
	for name, connect := range transports {
		pairs[name] = connect
	}
	for name, connect := range pairs {
		t.Run(name, func(t *testing.T) {
			near, far := connect(t)
			abortAfter(t, near, far)
			require.Zero(t, near.Stats())
			sizes := []int{1, 1000, 100_000} // with others, and in place
			total := 0
			for _, n := range sizes {
				sent := future.Go(t.Context(), func(ctx context.Context) (struct{}, error) {
					return struct{}{}, near.Out.Send(ctx, make([]byte, n))
				})
				atLeast(t, far.In, n)
				_, err := sent.Await(t.Context())
				require.NoError(t, err)
				total += n
			}
			require.NoError(t, near.Out.Flush(t.Context()))
			require.Equal(t, chanio.ConnStats{BytesOut: int64(total)}, near.Stats())
			require.Equal(t, chanio.ConnStats{BytesIn: int64(total)}, far.Stats())
		})
	}
}

func TestStatsCountWhatTransferMoved(t *testing.T) {
	a, b := tcpPair(t)
	c, d := tcpPair(t)
	abortAfter(t, a, b, c, d)
	moved := future.Go(t.Context(), func(ctx context.Context) (int64, error) { return chanio.Transfer(ctx, b.In, c.Out) })
	const n = 1 << 20
	sent := future.Go(t.Context(), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, errors.Join(a.Out.Send(ctx, make([]byte, n)), a.Out.Close())
	})
	atLeast(t, d.In, n)
	_, err := moved.Await(t.Context())
	require.NoError(t, err)
	_, err = sent.Await(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, n, b.Stats().BytesIn)
	require.EqualValues(t, n, c.Stats().BytesOut)
}

func TestCauseIsNilAfterAGoodEnd(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		require.NoError(t, near.Out.Close())
		_, err := far.In.Recv(t.Context())
		require.Equal(t, io.EOF, err)
		require.NoError(t, far.Out.Close())
		_, err = near.In.Recv(t.Context())
		require.Equal(t, io.EOF, err)
		<-near.Done()
		<-far.Done()
		require.NoError(t, near.Cause())
		require.NoError(t, far.Cause())
	})
}

func TestCauseTellsOfAnAbortAndOfAReset(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		why := errors.New("enough")
		near.Out.Abort(why)
		near.Out.Abort(errors.New("once more"))
		require.Equal(t, why, near.Cause())
		_, err := far.In.Recv(t.Context())
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Equal(t, err, far.Cause())
	})
}

// OnRelease, which may run while the connection holds its locks, calls both here.
func TestStatsAndCauseAreThereAtTheRelease(t *testing.T) {
	a, b := socketPair(t, "tcp", "127.0.0.1:0")
	type last struct {
		stats chanio.ConnStats
		cause error
	}
	released := make(chan last, 1)
	near := chanio.NewConn(a, &chanio.ConnConfig{OnRelease: func(c *chanio.Conn) { released <- last{c.Stats(), c.Cause()} }})
	far := chanio.NewConn(b, nil)
	require.NoError(t, far.Out.Send(t.Context(), []byte("abc")))
	atLeast(t, near.In, 3)
	require.NoError(t, near.In.Close())
	far.Out.Abort(nil)
	for near.Out.Send(t.Context(), []byte("x")) == nil { // until the reset is noticed
	}
	got := <-released
	require.EqualValues(t, 3, got.stats.BytesIn)
	require.Error(t, got.cause)
	require.Equal(t, near.Out.Err(), got.cause)
}
