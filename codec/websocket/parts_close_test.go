package websocket_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

func TestCloseOfPartsIsBoundedWhileAPieceWaitsForRoom(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, &websocket.Config{PingAfter: -1})
		parts, err := conn.SendParts(peer.ctx, websocket.BinaryMessage)
		require.NoError(t, err)
		sent := make(chan error, 1)
		go func() {
			var err error
			for err == nil {
				err = parts.Send(context.Background(), make([]byte, 100_000))
			}
			sent <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.Error(t, parts.Close())
		require.Less(t, time.Since(start), time.Minute)
		require.Error(t, <-sent)
		require.Error(t, conn.Out.Err())
		<-conn.Done()
	})
}

func TestNoMessageFollowsPartsThatCouldNotBeEnded(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, &websocket.Config{PingAfter: -1})
		parts, err := conn.SendParts(peer.ctx, websocket.BinaryMessage)
		require.NoError(t, err)
		for err == nil {
			short, cancel := context.WithTimeout(peer.ctx, time.Second)
			err = parts.Send(short, make([]byte, 1000))
			cancel()
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Error(t, parts.Close(), "there is no room")
		require.Error(t, conn.Out.Err())
		require.Error(t, conn.Out.Send(peer.ctx, websocket.Text("would be within the message")))
		<-conn.Done()
	})
}

// A message in parts ends with the connection, also while nothing is sent.
func TestPartsEndWithTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, &websocket.Config{PingAfter: -1})
		parts, err := conn.SendParts(peer.ctx, websocket.BinaryMessage)
		require.NoError(t, err)
		cause := errors.New("broken")
		conn.Abort(cause)
		synctest.Wait()
		select {
		case <-parts.Done():
		default:
			t.Fatal("not noticed")
		}
		require.ErrorIs(t, parts.Err(), cause)
		require.ErrorIs(t, parts.Send(peer.ctx, []byte("a")), cause)
	})
}

// TestViolationWithinSentParts: RFC 6455, 7.1.7. The Close frame does not wait for the end of a message in parts.
func TestViolationWithinSentParts(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		parts, err := conn.SendParts(t.Context(), websocket.TextMessage)
		require.NoError(t, err)
		require.NoError(t, parts.Send(t.Context(), []byte("part")))
		require.Equal(t, "part", string(peer.next().Payload))
		peer.send(frame(true, websocket.OpContinuation, "without a message"))
		_, err = conn.In.Recv(peer.ctx)
		require.Error(t, err)
		peer.expectClose(websocket.ProtocolError)
	})
}

// TestViolationWhileTheCloseFrameWaitsForRoom: what was accepted before the Close still goes.
func TestViolationWhileTheCloseFrameWaitsForRoom(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		accepted := 0
		for ok := true; ok; accepted++ {
			var err error
			ok, err = conn.Out.TrySend(websocket.Message{Kind: websocket.BinaryMessage, Data: make([]byte, 8000)})
			require.NoError(t, err)
		}
		go conn.Out.Close()
		synctest.Wait()
		peer.send(frame(fin, websocket.OpContinuation, "without a message"))
		_, err := conn.In.Recv(peer.ctx)
		require.Error(t, err)
		synctest.Wait()
		for range accepted - 1 {
			require.Equal(t, websocket.OpBinary, peer.next().Opcode)
		}
		peer.expectClose(websocket.NormalClosure)
	})
}
