package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestServe(t *testing.T) {
	near, far := chanio.Pipe()
	result := make(chan error)
	go func() { result <- serve(t.Context(), far) }()
	require.NoError(t, near.Out.Send(t.Context(), []byte("hello")))
	got, err := near.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	require.NoError(t, near.Out.Close())
	require.NoError(t, <-result)
	require.NoError(t, far.Close())
	require.NoError(t, near.Close())
}
