package main

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), "", time.Millisecond, &out))
	require.Equal(t, `asked for [1 2 3]
  2
  3
  4
  (end of the stream)
asked for [41 9223372036854775807 43]
  42
  ERROR: 9223372036854775807 has no successor
  (end of the stream)
`, out.String())
}

// converse runs the handler in a bubble, with a client that sends numbers and then half-closes.
func converse(t *testing.T, talk func(ctx context.Context, client *chanio.Duplex[string, int64])) (result error) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		over := make(chan error)
		go func() {
			err := slowly(time.Second)(t.Context(), far)
			_ = far.Out.Close() // as a server does
			_ = far.In.Close()
			over <- err
		}()
		talk(t.Context(), codec.FrameBoth(near, text, numbers))
		_ = near.Close()
		result = <-over
	})
	return result
}

func TestRequestsAreWorkedOnAtOnceAndAnsweredInOrder(t *testing.T) {
	result := converse(t, func(ctx context.Context, client *chanio.Duplex[string, int64]) {
		start := time.Now()
		for n := range int64(2 * atOnce) {
			require.NoError(t, client.Out.Send(ctx, n))
		}
		require.NoError(t, client.Out.Close())
		var got []string
		for reply := range client.In.All(ctx) {
			got = append(got, reply)
		}
		require.NoError(t, client.In.Err())
		require.Len(t, got, 2*atOnce)
		require.Equal(t, "1", got[0])
		require.Equal(t, "16", got[15])
		require.Equal(t, 2*time.Second, time.Since(start))
	})
	require.NoError(t, result)
}

func TestErrorIsSentAndEndsTheConnection(t *testing.T) {
	result := converse(t, func(ctx context.Context, client *chanio.Duplex[string, int64]) {
		require.NoError(t, client.Out.Send(ctx, math.MaxInt64))
		reply, err := client.In.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "ERROR: 9223372036854775807 has no successor", reply)
		_, err = client.In.Recv(ctx)
		require.Equal(t, io.EOF, err)
	})
	require.ErrorContains(t, result, "has no successor")
}

func TestAddressInUseIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.ErrorContains(t, run(t.Context(), ln.Addr().String(), 0, &bytes.Buffer{}), "choose another port")
}
