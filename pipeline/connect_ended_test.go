package pipeline_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// TestConnectWithAnEndedContextMovesNoBytes has bytes at hand, and a sink that accepts anything.
func TestConnectWithAnEndedContextMovesNoBytes(t *testing.T) {
	a, b := net.Pipe()
	conn := chanio.NewConn(a, &chanio.ConnConfig{Prefix: []byte("hello")})
	defer conn.Abort(nil)
	defer b.Close()
	sent := 0
	dst := chanio.NewSink(chanio.SinkHooks[[]byte]{Send: func(context.Context, []byte) error {
		sent++
		return nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, pipeline.Connect(ctx, conn.In, dst), context.Canceled)
	require.Zero(t, sent)
	chunk, err := conn.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", string(chunk))
}
