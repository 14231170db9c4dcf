package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// The server answers one order of each connection and hangs up.
func TestItConnectsAgain(t *testing.T) {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	serving, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		over <- ln.Serve(serving, func(ctx context.Context, c *chanio.Conn) error {
			d := codec.Frame(c, orders)
			order, err := d.In.Recv(ctx)
			if err != nil {
				return err
			}
			return d.Out.Send(ctx, order)
		})
	}()
	ctx, cancel := context.WithCancel(t.Context())
	shown := 0
	err = stayConnected(ctx, ln.Addr().String(), func(total Order) {
		require.Equal(t, Order{1, "apples"}, total)
		if shown++; shown == 2 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, shown)
	stop()
	require.NoError(t, <-over)
}
