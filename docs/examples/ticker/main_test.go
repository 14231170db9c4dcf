package main

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestClientThatComesBackMissesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, "127.0.0.1:0", 5*time.Millisecond, out) }()
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	fields := strings.Fields(string(line[:n]))
	url := "http://" + fields[len(fields)-1] + "/prices"

	client := httpc.New(nil)
	defer client.Close()
	ids := map[string]bool{}
	last := ""
	for range 3 { // each time it stays for two prices and leaves
		prices, err := client.Events(t.Context(), url, &httpc.EventsConfig{LastID: last})
		require.NoError(t, err)
		for range 2 {
			e, err := prices.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, "price", e.Type)
			require.False(t, ids[e.ID], "twice")
			ids[e.ID] = true
			last = e.ID
		}
		require.NoError(t, prices.Close())
	}
	require.True(t, strings.HasSuffix(last, "-6") || len(ids) == 6)

	prices, err := client.Events(t.Context(), url, &httpc.EventsConfig{LastID: "another-1"})
	require.NoError(t, err)
	e, err := prices.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "stale", e.Type)
	cancel()
	for e.Type != "closing" {
		e, err = prices.Recv(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, prices.Close())
	require.NoError(t, <-result)
}

func TestAddressInUseIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.Error(t, run(t.Context(), ln.Addr().String(), time.Second, io.Discard))
}
