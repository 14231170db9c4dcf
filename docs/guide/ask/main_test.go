package main

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestAskWaitsForTheServer(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := taken.Addr().String()
	require.NoError(t, taken.Close()) // nobody listens for now
	replies, failed := make(chan Order, 1), make(chan error, 1)
	go func() {
		reply, err := ask(addr, Order{7, 1})
		replies <- reply
		failed <- err
	}()
	time.Sleep(50 * time.Millisecond) // a real refusal or two
	ln, err := servers.ListenTCP(addr, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		over <- ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
			d := codec.Frame(c, orders)
			return pipeline.Connect(ctx, pipeline.Map(d.In, func(o Order) Order { o.Count++; return o }), d.Out)
		})
	}()
	require.Equal(t, Order{7, 2}, <-replies)
	require.NoError(t, <-failed)
	cancel()
	require.NoError(t, <-over)
}

func TestBytes(t *testing.T) {
	require.Contains(t, bytesOf(Order{7, 1}), "00 00 00 12 7b 22 49 44")
}
