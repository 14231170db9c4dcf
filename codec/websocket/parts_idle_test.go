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

// TestDeadPeerOfALongMessageInParts sends a message in small parts to a peer that is dead. There is room for them, so
// that they leave does not show that the peer is alive.
func TestDeadPeerOfALongMessageInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := newRaw(t, false, nil)
		start := time.Now()
		parts, err := conn.SendParts(t.Context(), websocket.BinaryMessage)
		require.NoError(t, err)
		for err == nil {
			time.Sleep(time.Second)
			err = parts.Send(t.Context(), []byte("x"))
			require.Less(t, time.Since(start), time.Minute)
		}
		require.ErrorContains(t, err, "peer sent nothing for 15s after a ping")
	})
}

// TestAbortOfPartsThatAreOver checks that a deferred Abort of a message that has been sent does nothing.
func TestAbortOfPartsThatAreOver(t *testing.T) {
	conn, peer := newRaw(t, false, nil)
	parts, err := conn.SendParts(peer.ctx, websocket.TextMessage)
	require.NoError(t, err)
	require.NoError(t, parts.Close())
	parts.Abort(errors.New("too late"))
	require.NoError(t, conn.Out.Send(peer.ctx, websocket.Text("next")))
	peer.expect(websocket.OpText, "")
	peer.expect(websocket.OpText, "next")
}

// TestAbortOfPartsAfterTheEndOfTheConnection aborts a message in parts that could not be sent on, because the peer has
// broken a rule. What was accepted, and the Close frame that tells why, are still sent.
func TestAbortOfPartsAfterTheEndOfTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		parts, err := conn.SendParts(t.Context(), websocket.BinaryMessage)
		require.NoError(t, err)
		sent := 0
		for ; err == nil; sent++ { // until there is no room
			short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			err = parts.Send(short, make([]byte, 8000))
			cancel()
		}
		peer.send(frame(true, websocket.OpContinuation, "x"))
		_, err = conn.In.Recv(t.Context())
		require.ErrorContains(t, err, "continuation without a message")
		synctest.Wait()
		err = parts.Send(t.Context(), []byte("more"))
		require.Error(t, err)
		parts.Abort(err)
		for range sent - 1 {
			require.Len(t, peer.next().Payload, 8000)
		}
		peer.expectClose(websocket.ProtocolError)
	})
}
