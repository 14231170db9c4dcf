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
	d := codec.Frame(near, orders)
	require.NoError(t, d.Out.Send(t.Context(), Order{ID: 7, Count: 1}))
	got, err := d.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, Order{ID: 7, Count: 2}, got)
	require.NoError(t, near.Out.Close())
	require.NoError(t, <-result)
	require.NoError(t, far.Close())
	require.NoError(t, near.Close())
}
