package chanio_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestDrainTellsTheProtocolAndLeavesTheInputAlone(t *testing.T) {
	near, far := chanio.Pipe()
	defer far.Close()
	defer near.Close()
	told := make(chan error, 4)
	for range 2 {
		near.OnDrain(func(cause error) { told <- cause })
	}
	first, second := errors.New("first"), errors.New("second")
	near.Drain(first)
	near.Drain(second)
	require.Equal(t, []error{first, first}, []error{<-told, <-told}, "only the first call counts")
	near.OnDrain(func(cause error) { told <- cause })
	require.Equal(t, first, <-told, "late, but told")
	require.NoError(t, far.Out.Send(t.Context(), []byte("rest")))
	got, err := near.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "rest", string(got))
	require.NoError(t, near.Out.Send(t.Context(), []byte("reply")))
}

func TestDrainEndsTheInputWhereNobodyHeedsIt(t *testing.T) {
	for name, prepare := range map[string]func(*chanio.Conn){
		"nobody has asked": func(*chanio.Conn) {},
		"no longer": func(c *chanio.Conn) {
			stop := c.OnDrain(func(error) { panic("was taken back") })
			require.True(t, stop())
			require.False(t, stop())
		},
	} {
		near, far := chanio.Pipe()
		prepare(near)
		require.NoError(t, far.Out.Send(t.Context(), []byte("arrived")))
		require.NoError(t, far.Out.Flush(t.Context()))
		why := errors.New("why")
		near.Drain(why)
		got, err := near.In.Recv(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, "arrived", string(got))
		_, err = near.In.Recv(t.Context())
		require.ErrorIs(t, err, why, name)
		require.NoError(t, near.Out.Send(t.Context(), []byte("reply")))
		require.NoError(t, near.Out.Close())
		require.NoError(t, far.Close())
		require.NoError(t, near.Close())
	}
}
