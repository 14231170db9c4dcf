package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestTenStringsAreEchoedAndTheEndIs1001(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, "127.0.0.1:0", out) }()
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	fields := strings.Fields(string(line[:n]))

	client := httpc.New(nil)
	defer client.Close()
	conn, err := client.DialWebSocket(t.Context(), "ws://"+fields[len(fields)-1], nil)
	require.NoError(t, err)
	texts := websocket.Texts(conn)
	for i := range 10 {
		require.NoError(t, texts.Out.Send(t.Context(), fmt.Sprint(i)))
	}
	got, err := pipeline.Collect(t.Context(), pipeline.Take(texts.In, 10))
	require.NoError(t, err)
	require.Len(t, got, 10)
	cancel()
	require.NoError(t, <-result)
	code, _, ok := conn.CloseStatus()
	require.True(t, ok)
	require.Equal(t, websocket.GoingAway, code)
	<-conn.Done()
}

func TestAddressInUseIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.Error(t, run(t.Context(), ln.Addr().String(), io.Discard))
}
