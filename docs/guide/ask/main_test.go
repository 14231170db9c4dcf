package main

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	// Nobody listens there for now, and no socket of another test gets a port below 32768.
	addr := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000))
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
