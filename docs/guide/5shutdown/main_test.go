package main

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		near, far := chanio.Pipe()
		result := make(chan error)
		go func() { result <- serve(ctx, far) }()
		lines := codec.Frame(near, codec.Lines)
		require.NoError(t, lines.Out.Send(ctx, "3 apples"))
		require.NoError(t, lines.Out.Send(ctx, "4 apples"))
		synctest.Wait() // both have arrived
		far.EndIn(servers.ErrShutdown)
		require.ErrorIs(t, <-result, servers.ErrShutdown)
		require.NoError(t, far.Out.Close())
		cancel()
		got, err := lines.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "7 apples", got)
		_, err = lines.In.Recv(t.Context())
		require.Equal(t, io.EOF, err)
		require.NoError(t, near.Close())
		require.NoError(t, far.Close())
	})
}
