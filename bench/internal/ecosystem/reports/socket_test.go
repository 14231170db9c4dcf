package reports

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

func socketURL(s ecosystem.Server) string { return strings.Replace(s.URL, "http", "ws", 1) }

// gorilla/websocket 119 and 643: concurrent senders and pings interleaved their frames.
func TestManySendersOfOneWebSocket(t *testing.T) {
	const senders, each = 20, 50
	for _, deflate := range []*websocket.Deflate{nil, {From: 1}, {From: 1, Takeover: true}} {
		cfg := &httpd.UpgradeConfig{WebSocket: websocket.Config{Deflate: deflate}}
		s := ecosystem.Serve(t, plain, httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
			var wg sync.WaitGroup
			for i := range senders {
				wg.Go(func() {
					for range each {
						if conn.Out.Send(ctx, websocket.Text(strings.Repeat(string(rune('a'+i)), 10+100*i))) != nil {
							return
						}
					}
				})
				wg.Go(func() { _, _ = conn.Ping(ctx) })
			}
			wg.Wait()
			return nil
		}, cfg), nil)
		dialer := gorilla.Dialer{EnableCompression: deflate != nil}
		conn, _, err := dialer.Dial(socketURL(s), nil) //nolint:bodyclose // it has none
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(ecosystem.Patience)))
		seen := map[string]int{}
		for {
			_, p, err := conn.ReadMessage()
			if gorilla.IsCloseError(err, 1000) {
				break
			}
			require.NoError(t, err)
			seen[string(p)]++
		}
		require.Len(t, seen, senders)
		for text, n := range seen {
			require.Equal(t, each, n)
			require.Equal(t, strings.Repeat(text[:1], len(text)), text)
		}
		require.NoError(t, conn.Close())
	}
}

// coder/websocket 164, 231 and 248: a close concurrent with reads and writes blocked until its timeout.
func TestCloseBesideReadsAndWrites(t *testing.T) {
	s := ecosystem.Serve(t, plain, httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		return pipeline.Connect(ctx, conn.In, conn.Out)
	}, nil), nil)
	client := s.Ours(t, nil)
	for i := range 30 {
		cfg := websocketConfig(time.Hour) // a close that waits for its timeout does not return in time
		conn, err := client.DialWebSocket(ecosystem.Within(t), socketURL(s), cfg)
		require.NoError(t, err)
		var wg sync.WaitGroup
		ctx := ecosystem.Within(t)
		got := make(chan struct{}, 1)
		wg.Go(func() {
			for {
				if _, err := conn.In.Recv(ctx); err != nil {
					return
				}
				select {
				case got <- struct{}{}:
				default:
				}
			}
		})
		for range 3 {
			wg.Go(func() {
				for conn.Out.Send(ctx, websocket.Text(strings.Repeat("x", 100*i))) == nil { //nolint:revive // until the close
				}
			})
		}
		wg.Go(func() { _, _ = conn.Ping(ctx) })
		<-got
		require.NoError(t, conn.CloseWith(4000, "beside"))
		require.NoError(t, conn.CloseWith(4001, "again"))
		wg.Wait()
		require.NoError(t, ctx.Err())
	}
}

// websockets/ws 758: messages were lost if the connection ended while they were decompressed.
func TestMessagesBeforeTheEndAreNotLost(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&gorilla.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		for range 100 {
			_ = conn.WriteMessage(gorilla.TextMessage, []byte(strings.Repeat("compress me ", 1000)))
		}
		_ = conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(4000, ""), time.Now().Add(ecosystem.Patience))
		_ = conn.Close() // without waiting for the answer
	})
	s := ecosystem.ServeStandard(t, plain, h)
	cfg := websocketConfig(0)
	cfg.WebSocket.Deflate = &websocket.Deflate{}
	conn, err := s.Ours(t, nil).DialWebSocket(ecosystem.Within(t), socketURL(s), cfg)
	require.NoError(t, err)
	defer conn.Abort(nil)
	n := 0
	for m := range conn.In.All(ecosystem.Within(t)) {
		require.Len(t, m.Data, 12_000)
		n++
	}
	require.Equal(t, 100, n)
	var end *websocket.CloseError
	require.True(t, errors.As(conn.In.Err(), &end), "%v", conn.In.Err())
	require.EqualValues(t, 4000, end.Code)
}
