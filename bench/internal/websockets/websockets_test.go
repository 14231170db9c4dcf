package websockets

import (
	"bytes"
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// dial serves s and makes n connections to it.
func dial(t *testing.T, s Server, n int) (all []*websocket.Conn) {
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	client := httpc.New(&httpc.Config{MaxPerHost: n, MaxConns: n})
	t.Cleanup(func() { _ = client.Close() })
	cfg := &httpc.WebSocketConfig{}
	if s.Deflate {
		cfg.WebSocket.Deflate = &websocket.Deflate{}
	}
	for range n {
		conn, err := client.DialWebSocket(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"), cfg)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Abort(nil) })
		require.Equal(t, s.Deflate, conn.Compressed(), "as it says")
		all = append(all, conn)
	}
	return all
}

func TestEveryServerEchoes(t *testing.T) {
	for _, s := range Servers() {
		if s.Room {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			conn := dial(t, s, 1)[0]
			for _, n := range []int{0, 64, 1 << 10, 64 << 10} {
				p := bytes.Repeat([]byte("x"), n)
				require.NoError(t, conn.Out.Send(ctx, websocket.Binary(p)))
				m, err := conn.In.Recv(ctx)
				require.NoError(t, err)
				require.Equal(t, p, m.Data)
			}
			_ = conn.Close() // not all servers answer
		})
	}
}

func TestEveryRoomSaysWhatAMemberSaysToAll(t *testing.T) {
	for _, s := range Servers() {
		if !s.Room {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			conns := dial(t, s, 10)
			hear := func(want string) {
				for _, conn := range conns {
					m, err := conn.In.Recv(ctx)
					require.NoError(t, err)
					require.Equal(t, want, string(m.Data))
				}
			}
			for _, conn := range conns {
				require.NoError(t, conn.Out.Send(ctx, websocket.Binary([]byte("welcome"))))
			}
			hear("welcome")
			for range 3 {
				require.NoError(t, conns[3].Out.Send(ctx, websocket.Binary([]byte("hello"))))
				hear("hello")
			}
			for _, conn := range conns {
				require.NoError(t, conn.Close())
			}
		})
	}
}
