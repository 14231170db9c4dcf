package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		near, far := chanio.Pipe()
		result := make(chan error)
		go func() { result <- serve(ctx, far) }()
		start := time.Now()
		lines := codec.Frame(near, codec.Lines)
		require.NoError(t, lines.Out.Send(ctx, "3 apples"))
		require.NoError(t, lines.Out.Send(ctx, "4 apples"))
		got, err := lines.In.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "7 apples", got)
		require.Equal(t, 10*time.Second, time.Since(start))
		require.NoError(t, near.Out.Close())
		require.NoError(t, <-result)
		cancel()
		require.NoError(t, far.Close())
		require.NoError(t, near.Close())
	})
}
