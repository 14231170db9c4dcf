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
	for said, answer := range map[string]string{"3 apples": "3 apples", "5 pears": "5 pears"} {
		require.NoError(t, lines.Out.Send(t.Context(), said))
		got, err := lines.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, answer, got)
	}
	require.NoError(t, lines.Out.Send(t.Context(), "4 apples"))
	got, err := lines.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "7 apples", got)
	require.NoError(t, lines.Out.Send(t.Context(), "many apples"))
	var wrong *codec.Error
	require.ErrorAs(t, <-result, &wrong)
	require.NoError(t, near.Out.Close())
	require.NoError(t, far.Close())
	require.NoError(t, near.Close())
}
