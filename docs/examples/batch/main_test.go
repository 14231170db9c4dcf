package main

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/docs/examples/internal/peertest"
	"github.com/weir-go/weir/docs/examples/redis/resp"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestAgainstTheRealServer(t *testing.T) {
	addr := peertest.Start(t, peertest.Program(t, "redis-server", "redis-server"), "eady to accept connections",
		"--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), addr, 1000, &out))
	require.Equal(t, "1000 events in 16 batches; the list has 1000\n", out.String())
}

// TestABatchGoesWhenItIsOld uses two events, then none for longer than the delay, then one.
func TestABatchGoesWhenItIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := chanio.Pipe()
		feed := make(chan string)
		began := time.Now()
		go func() {
			defer close(feed)
			feed <- "a"
			feed <- "b"
			time.Sleep(3 * delay)
			feed <- "c"
		}()
		var got []int
		served := make(chan error, 1)
		go func() {
			peer := codec.Frame(server, resp.Codec)
			total := 0
			for command := range peer.In.All(context.Background()) {
				if total == 0 {
					require.Equal(t, delay, time.Since(began))
				}
				got = append(got, len(command.Elems)-2)
				total += len(command.Elems) - 2
				_ = peer.Out.Send(context.Background(), resp.Value{Kind: resp.Integer, Int: int64(total)})
			}
			served <- peer.Close()
		}()
		d := codec.Frame(client, resp.Codec)
		batches, total, err := push(t.Context(), d, chanio.From(feed))
		require.NoError(t, err)
		require.NoError(t, d.Close())
		require.NoError(t, <-served)
		require.Equal(t, []int{2, 1}, got)
		require.Equal(t, 2, batches)
		require.Equal(t, int64(3), total)
	})
}
