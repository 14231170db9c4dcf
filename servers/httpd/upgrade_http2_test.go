package httpd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/internal/http2"
)

// extended opens an extended CONNECT (RFC 8441) with additional fields, and returns its status and stream.
func extended(t *testing.T, h2 *http2.Conn, more ...http2.Field) (status string, fields map[string]string, s *http2.Stream) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	all := append([]http2.Field{
		{Name: ":method", Value: "CONNECT"}, {Name: ":protocol", Value: "websocket"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: "/"}, {Name: ":authority", Value: "a"},
	}, more...)
	s, err := h2.Open(ctx, all, false)
	require.NoError(t, err)
	head, err := s.Head(ctx)
	require.NoError(t, err)
	fields = map[string]string{}
	for _, f := range head.Fields {
		fields[f.Name] = f.Value
	}
	return strconv.Itoa(head.Status), fields, s
}

func TestOtherProtocolsOverHTTP2AreNotImplemented(t *testing.T) {
	addr := start(t, WebSocket(sendBack, nil), nil)
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h2 := http2.NewClient(chanio.NewConn(nc, nil), nil)
	ran := make(chan error, 1)
	go func() { ran <- h2.Run(ctx) }()
	s, err := h2.Open(ctx, []http2.Field{
		{Name: ":method", Value: "CONNECT"}, {Name: ":protocol", Value: "connect-udp"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: "/"}, {Name: ":authority", Value: "a"}, {Name: "sec-websocket-version", Value: "13"},
	}, false)
	require.NoError(t, err)
	head, err := s.Head(ctx)
	require.NoError(t, err)
	require.Equal(t, 501, head.Status)
	cancel()
	<-ran
}

func TestWebSocketsOverHTTP2(t *testing.T) {
	cfg := &UpgradeConfig{Subprotocols: []string{"weir"}}
	cfg.WebSocket.Deflate = &websocket.Deflate{}
	closed := make(chan error, 8)
	addr := start(t, WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		err := sendBack(ctx, conn)
		closed <- err
		return err
	}, cfg), nil)
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	h2 := http2.NewClient(chanio.NewConn(nc, nil), nil)
	ran := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { ran <- h2.Run(ctx) }()

	version := http2.Field{Name: "sec-websocket-version", Value: "13"}
	status, _, _ := extended(t, h2)
	require.Equal(t, "426", status, "no version")
	status, _, _ = extended(t, h2, version, http2.Field{Name: "origin", Value: "http://b"})
	require.Equal(t, "403", status)

	status, fields, s := extended(t, h2, version, http2.Field{Name: "origin", Value: "http://a"},
		http2.Field{Name: "sec-websocket-protocol", Value: "other, weir"},
		http2.Field{Name: "sec-websocket-extensions", Value: "permessage-deflate"})
	require.Equal(t, "200", status)
	require.Equal(t, "weir", fields["sec-websocket-protocol"])
	require.Empty(t, fields["sec-websocket-accept"])
	d := &websocket.Deflate{}
	x, err := d.Confirm([]string{fields["sec-websocket-extensions"]})
	require.NoError(t, err)
	conn := websocket.NewConn(s.Conn(&chanio.ConnInfo{}), &websocket.Config{Client: true, Deflate: d, Extension: x})
	for _, n := range []int{0, 100, 10_000, 500_000} {
		sent := make(chan error, 1)
		m := websocket.Text(strings.Repeat("x", n))
		go func() { sent <- conn.Out.Send(ctx, m) }()
		got, err := conn.In.Recv(ctx)
		require.NoError(t, err)
		require.NoError(t, <-sent)
		require.True(t, string(got.Data) == string(m.Data))
	}
	short, stop := context.WithCancel(ctx)
	stop()
	_, err = conn.In.Recv(short)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, conn.Close())
	require.NoError(t, <-closed)

	_, _, s = extended(t, h2, version) // a reset ends it without a Close frame
	conn = websocket.NewConn(s.Conn(&chanio.ConnInfo{}), &websocket.Config{Client: true})
	require.NoError(t, conn.Out.Send(ctx, websocket.Text("x")))
	_, err = conn.In.Recv(ctx)
	require.NoError(t, err)
	conn.Abort(errors.New("gone"))
	err = <-closed // 1006, or the cause of the request's ctx: the handler may see either first
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)

	h2.Abort(nil)
	<-ran
}

// sendBack sends back every message.
func sendBack(ctx context.Context, conn *websocket.Conn) error {
	for m, err := range conn.In.Values(ctx) {
		if err == nil {
			err = conn.Out.Send(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func TestFieldsOfTheHandlerAndOfTheConfigAreJoined(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=1")
		cfg := &UpgradeConfig{Header: http.Header{"Set-Cookie": {r.URL.Query().Get("cookie")}}}
		WebSocket(sendBack, cfg).ServeHTTP(w, r)
	})
	nc, err := net.Dial("tcp", start(t, handler, nil))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h2 := http2.NewClient(chanio.NewConn(nc, nil), nil)
	ran := make(chan error, 1)
	go func() { ran <- h2.Run(ctx) }()
	for path, want := range map[string]struct {
		status  int
		cookies []string
	}{
		"/?cookie=b":    {200, []string{"a=1", "b"}},
		"/?cookie=%0Ab": {500, []string{"a=1"}},
	} {
		s, err := h2.Open(ctx, []http2.Field{
			{Name: ":method", Value: "CONNECT"}, {Name: ":protocol", Value: "websocket"}, {Name: ":scheme", Value: "http"},
			{Name: ":path", Value: path}, {Name: ":authority", Value: "a"}, {Name: "sec-websocket-version", Value: "13"},
		}, false)
		require.NoError(t, err)
		head, err := s.Head(ctx)
		require.NoError(t, err)
		require.Equal(t, want.status, head.Status)
		var cookies []string
		for _, f := range head.Fields {
			if f.Name == "set-cookie" {
				cookies = append(cookies, f.Value)
			}
		}
		require.Equal(t, want.cookies, cookies)
	}
	cancel()
	<-ran
}
