package main

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// serve serves until the context that it is given ends; wait is for that.
func serve(ctx context.Context, t *testing.T) (host string, wait func()) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan error, 1)
	go func() { over <- httpd.New(routes(), nil).Serve(ctx, ln) }()
	return ln.Addr().String(), func() { require.NoError(t, <-over) }
}

func newClient(t *testing.T) *httpc.Client {
	client := httpc.New(nil)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func TestAReplyUnderWayIsCompletedAtShutdown(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	host, wait := serve(ctx, t)
	resp, err := newClient(t).Get(t.Context(), "http://"+host+"/prices")
	require.NoError(t, err)
	defer resp.Close()
	prices := codec.Decode(resp.Body, codec.JSONLines[Price]())
	first, err := prices.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, Price{101}, first)
	stop()
	rest, err := pipeline.Collect(t.Context(), prices)
	require.NoError(t, err)
	require.Len(t, rest, 9)
	wait()
}

func TestWebSocketsAndEventsEndAtShutdown(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	host, wait := serve(ctx, t)
	client := newClient(t)
	conn, err := client.DialWebSocket(t.Context(), "ws://"+host+"/upper", nil)
	require.NoError(t, err)
	defer conn.Close()
	texts := websocket.Texts(conn)
	require.NoError(t, texts.Out.Send(t.Context(), "hello"))
	text, err := texts.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "HELLO", text)
	events, err := client.Events(t.Context(), "http://"+host+"/ticks", nil)
	require.NoError(t, err)
	e, err := events.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "tick", e.Type)
	stop()
	wait()
	_, err = texts.In.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	code, _, _ := conn.CloseStatus()
	require.Equal(t, websocket.GoingAway, code)
	require.NoError(t, events.Close())
}
