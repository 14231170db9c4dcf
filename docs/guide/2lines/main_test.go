package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestServe(t *testing.T) {
	near, far := chanio.Pipe()
	result := make(chan error)
	go func() { result <- serve(t.Context(), far) }()
	lines := codec.Frame(near, codec.Lines)
	require.NoError(t, lines.Out.Send(t.Context(), "hello"))
	got, err := lines.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "HELLO", got)
	require.NoError(t, near.Out.Close())
	require.NoError(t, <-result)
	require.NoError(t, far.Close())
	require.NoError(t, near.Close())
}
