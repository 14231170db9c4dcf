package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// start runs the example and returns its URL.
func start(t *testing.T) string {
	ctx, cancel := context.WithCancel(context.Background())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, "127.0.0.1:0", "secret", out) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-result)
	})
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	fields := strings.Fields(string(line[:n]))
	return "ws://" + fields[len(fields)-1]
}

func TestTokenInAFieldACookieOrASubprotocolOpensTheDoor(t *testing.T) {
	url := start(t)
	client := httpc.New(nil)
	defer client.Close()
	for name, cfg := range map[string]*httpc.WebSocketConfig{
		"field":       {Header: http.Header{"Authorization": {"bearer secret"}}},
		"cookie":      {Cookies: []*http.Cookie{{Name: cookie, Value: "secret"}}},
		"subprotocol": {Subprotocols: []string{protocol, bearer + "secret"}},
	} {
		conn, err := client.DialWebSocket(t.Context(), url, cfg)
		require.NoError(t, err, name)
		require.NotContains(t, conn.Subprotocol(), "secret")
		require.NoError(t, conn.Out.Send(t.Context(), websocket.Text("hello")))
		m, err := conn.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", m.String())
		require.NoError(t, conn.Close())
	}
}

func TestOthersAreTurnedAwayBeforeThereIsAConnection(t *testing.T) {
	url := start(t)
	client := httpc.New(nil)
	defer client.Close()
	for status, cfgs := range map[int][]*httpc.WebSocketConfig{
		http.StatusUnauthorized: {
			nil,
			{Header: http.Header{"Authorization": {"Bearer wrong"}}},
			{Cookies: []*http.Cookie{{Name: cookie, Value: ""}}},
			{Subprotocols: []string{protocol, bearer}},
		},
		http.StatusForbidden: {{
			Header:  http.Header{"Origin": {"https://elsewhere.example"}},
			Cookies: []*http.Cookie{{Name: cookie, Value: "secret"}},
		}},
	} {
		for _, cfg := range cfgs {
			_, err := client.DialWebSocket(t.Context(), url, cfg)
			var refused *httpc.HandshakeError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, status, refused.Status)
		}
	}
}

func TestWithoutATokenItDoesNotBegin(t *testing.T) {
	require.Error(t, run(t.Context(), "127.0.0.1:0", "", io.Discard))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.Error(t, run(t.Context(), ln.Addr().String(), "secret", io.Discard))
}
