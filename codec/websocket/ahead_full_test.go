package websocket_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
)

func TestReadingAheadGoesOnBehindAMessageThatWasTooMuch(t *testing.T) {
	words := strings.Repeat("x", 100_000)
	for name, receive := range map[string]func(t *testing.T, conn *websocket.Conn, peer *raw){
		"in parts": func(t *testing.T, conn *websocket.Conn, peer *raw) {
			go peer.send(text(words))
			time.Sleep(time.Second)
			_, parts, err := conn.RecvParts(peer.ctx, 0)
			require.NoError(t, err)
			for p := range parts.All(peer.ctx) {
				require.NotEmpty(t, p)
			}
			require.NoError(t, parts.Err())
		},
		"cancelled": func(t *testing.T, conn *websocket.Conn, peer *raw) {
			p := peer.bytes(frame(more, websocket.OpText, words[:70_000]))
			go peer.write(p)
			short, cancel := context.WithTimeout(peer.ctx, 100*time.Millisecond)
			defer cancel()
			_, err := conn.In.Recv(short)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(time.Second)
			peer.send(frame(fin, websocket.OpContinuation, "end"))
			_, err = conn.In.Recv(peer.ctx)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, client bool) {
				conn, peer := newRaw(t, client, &websocket.Config{MaxMessage: 80_000, PingAfter: -1})
				receive(t, conn, peer)
				peer.send(frame(fin, websocket.OpPing, "hi"))
				ctx, cancel := context.WithTimeout(peer.ctx, time.Minute)
				defer cancel()
				f, err := codec.Recv(ctx, peer.conn.In, websocket.Frames(0))
				require.NoError(t, err)
				require.Equal(t, websocket.OpPong, f.Opcode)
			})
		})
	}
}

func TestPeerThatDiesBehindAFullReadAheadIsAborted(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		go peer.write(peer.bytes(frame(more, websocket.OpText, strings.Repeat("x", 70_000))))
		go func() {
			for {
				if _, err := codec.Recv(peer.ctx, peer.conn.In, websocket.Frames(0)); err != nil {
					return
				}
			}
		}()
		short, cancel := context.WithTimeout(peer.ctx, 100*time.Millisecond)
		defer cancel()
		_, err := conn.In.Recv(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Second)
		late, cancel := context.WithTimeout(peer.ctx, 3*time.Minute)
		defer cancel()
		_, err = conn.In.Recv(late)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}

func TestSlowReceiverIsNoLatePeer(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		go func() {
			for range 40 {
				peer.send(text(strings.Repeat("x", 8000)))
			}
		}()
		go func() {
			for {
				if _, err := codec.Recv(peer.ctx, peer.conn.In, websocket.Frames(0)); err != nil {
					return
				}
			}
		}()
		require.NoError(t, conn.Out.Close())
		for i := range 40 {
			time.Sleep(30 * time.Second)
			_, err := conn.In.Recv(peer.ctx)
			require.NoError(t, err, "message %d", i)
		}
	})
}
