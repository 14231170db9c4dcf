package recipes

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

func TestAnswerAtOnce(t *testing.T) {
	addr := listen(t, func(ctx context.Context, c *chanio.Conn) error { return pipeline.Connect(ctx, c.In, c.Out) })
	c, err := answerAtOnce(t.Context(), addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, codec.Send(t.Context(), c.Out, codec.Lines, "hello"))
	got, err := codec.Recv(t.Context(), c.In, codec.Lines)
	require.NoError(t, err)
	require.Equal(t, "hello", got)
}

func TestGreet(t *testing.T) {
	near, far := chanio.Pipe()
	defer far.Close()
	require.NoError(t, greet(t.Context(), codec.Encode(near.Out, codec.Lines), []string{"a", "b"}))
	require.NoError(t, near.Close())
	got, err := pipeline.Collect(t.Context(), codec.Decode(far.In, codec.Lines))
	require.NoError(t, err)
	require.Equal(t, []string{"hello, a", "hello, b"}, got)
}

func TestTotal(t *testing.T) {
	near, far := chanio.Pipe()
	defer far.Close()
	frames := codec.Encode(near.Out, codec.Prefixed(codec.Uint32, codec.Bytes))
	_, err := frames.SendAll(t.Context(), []byte("one"), []byte("three"))
	require.NoError(t, err)
	require.NoError(t, near.Close())
	sum, err := total(t.Context(), far)
	require.NoError(t, err)
	require.Equal(t, 8, sum)
}
