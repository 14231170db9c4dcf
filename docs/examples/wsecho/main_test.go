package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
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

// TestWhatConformanceSuitesSendIsEchoed sends the largest message of such suites, plain and compressed, and the one
// with the most fragments.
func TestWhatConformanceSuitesSendIsEchoed(t *testing.T) {
	srv := httptest.NewServer(handler())
	defer srv.Close()
	client := httpc.New(nil)
	defer client.Close()
	for name, deflate := range map[string]*websocket.Deflate{"plain": nil, "compressed": {}} {
		t.Run(name, func(t *testing.T) {
			cfg := &httpc.WebSocketConfig{WebSocket: websocket.Config{MaxMessage: 16 << 20, Deflate: deflate}}
			conn, err := client.DialWebSocket(t.Context(), srv.URL, cfg)
			require.NoError(t, err)
			require.Equal(t, deflate != nil, conn.Handshake().Get("Sec-Websocket-Extensions") != "")
			sent := websocket.Binary(bytes.Repeat([]byte("BAsd7&jh"), 2<<20))
			require.NoError(t, conn.Out.Send(t.Context(), sent))
			got, err := conn.In.Recv(t.Context())
			require.NoError(t, err)
			require.True(t, bytes.Equal(sent.Data, got.Data))

			parts, err := conn.SendParts(t.Context(), websocket.BinaryMessage)
			require.NoError(t, err)
			for range 65535 { // and the last, which Close sends
				require.NoError(t, parts.Send(t.Context(), []byte("x")))
			}
			require.NoError(t, parts.Close())
			got, err = conn.In.Recv(t.Context())
			require.NoError(t, err)
			require.Len(t, got.Data, 65535)
			require.NoError(t, conn.Close())
		})
	}
}

func TestAddressInUseIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.Error(t, run(t.Context(), ln.Addr().String(), io.Discard))
}
