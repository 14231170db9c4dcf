package httpd

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// TestPanicOfAHijackedHandlerIsLoggedWithItsTarget holds although the request has been released.
func TestPanicOfAHijackedHandlerIsLoggedWithItsTarget(t *testing.T) {
	var logged bytes.Buffer
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	handler := WebSocket(func(context.Context, *websocket.Conn) error { panic("broken") }, nil)
	go func() { served <- New(handler, &Config{Logger: logTo(&logged)}).Serve(ctx, ln) }()
	nc, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(nc, "GET /where HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+"\x88\x82\x00\x00\x00\x00\x03\xf3")
	require.NoError(t, err)
	all, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Contains(t, string(all), http.StatusText(http.StatusSwitchingProtocols))
	_ = nc.Close()
	cancel()
	require.NoError(t, <-served)
	require.Contains(t, logged.String(), "method=GET target=/where panic=")
	require.Contains(t, logged.String(), "broken")
}
