package httpd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

func TestSocketContextEndsWithItsRequestAndByItself(t *testing.T) {
	gone := errors.New("gone")
	for name, end := range map[string]func(c *socketContext, parent context.CancelCauseFunc){
		"itself":  func(c *socketContext, _ context.CancelCauseFunc) { c.cancel() },
		"request": func(_ *socketContext, parent context.CancelCauseFunc) { parent(gone) },
	} {
		t.Run(name, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			c := &socketContext{Context: parent}
			defer context.AfterFunc(parent, c.cancel)()
			child, stop := context.WithCancel(c)
			defer stop()
			called := make(chan struct{})
			context.AfterFunc(c, func() { close(called) })
			taken := context.AfterFunc(c, func() { t.Error("called although it was taken back") })
			require.True(t, taken())
			require.False(t, taken())
			require.NoError(t, c.Err())

			end(c, cancel)
			<-c.Done()
			<-child.Done()
			<-called
			require.ErrorIs(t, c.Err(), context.Canceled)
			if name == "request" {
				require.Equal(t, gone, context.Cause(c))
				require.Equal(t, gone, context.Cause(child))
			}
			c.cancel() // again

			after := make(chan struct{})
			require.False(t, c.AfterFunc(func() { close(after) })())
			<-after
		})
	}
}

// TestPanicOfAHijackedHandlerIsLoggedWithItsTarget holds although the request has been let go of.
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
