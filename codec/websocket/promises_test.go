package websocket_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// TestEndOfAPeerThatClosesWithoutACodeIsClean checks 1005, which is never sent.
func TestEndOfAPeerThatClosesWithoutACodeIsClean(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		peer.send(text("last"), frame(true, websocket.OpClose, ""))
		m, err := conn.In.Recv(peer.ctx)
		require.NoError(t, err)
		require.Equal(t, "last", m.String())
		_, err = conn.In.Recv(peer.ctx)
		require.Equal(t, io.EOF, err)
		code, _, ok := conn.CloseStatus()
		require.True(t, ok)
		require.Equal(t, websocket.NoStatus, code)
	})
}

// TestPreparedMessagesOfAClientAreMaskedAnew sends one message several times and requires different bytes each time.
func TestPreparedMessagesOfAClientAreMaskedAnew(t *testing.T) {
	conn, peer := newRaw(t, true, nil)
	m, err := websocket.Prepare(websocket.Text("the same text"))
	require.NoError(t, err)
	keys := map[[4]byte]bool{}
	for range 8 {
		require.NoError(t, conn.Out.Send(peer.ctx, m))
		f := peer.next()
		require.True(t, f.Masked)
		require.Equal(t, "the same text", string(f.Payload))
		keys[f.Key] = true
	}
	require.Greater(t, len(keys), 6, "a key is four random bytes")
	require.Equal(t, "the same text", m.String())
}

// TestSmallWindowsAreNotReferredBeyond sends the same noise twice, further apart than the peer's window. With references
// beyond the window the result would be half as long.
func TestSmallWindowsAreNotReferredBeyond(t *testing.T) {
	noise := make([]byte, 512) // 1<<9
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	twice := append(bytes.Clone(noise), noise...)
	for offer, least := range map[string]int{
		"permessage-deflate; server_no_context_takeover":                           0,
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=9": 1000,
	} {
		d := &websocket.Deflate{Level: 9, Takeover: true}
		agreed := d.Accept([]string{offer})
		require.NotNil(t, agreed)
		conn, peer := newRaw(t, false, &websocket.Config{Deflate: d, Extension: agreed})
		require.NoError(t, conn.Out.Send(peer.ctx, websocket.Binary(twice)))
		f := peer.next()
		require.True(t, f.RSV1)
		if least > 0 {
			require.Greater(t, len(f.Payload), least)
		} else {
			require.Less(t, len(f.Payload), 600)
		}
	}
}

// TestAbortDoesNotWaitForAPeerThatReadsNothing aborts while more is queued than the peer reads.
func TestAbortDoesNotWaitForAPeerThatReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := newRaw(t, false, nil)
		sent := make(chan error, 1)
		go func() {
			for {
				if err := conn.Out.Send(t.Context(), websocket.Binary(make([]byte, 64<<10))); err != nil {
					sent <- err
					return
				}
			}
		}()
		synctest.Wait()
		require.Empty(t, sent, "the peer takes no more")
		cause := &websocket.CloseError{Code: 4009, Reason: "go"}
		aborted := make(chan struct{})
		go func() {
			conn.Abort(cause)
			close(aborted)
		}()
		synctest.Wait()
		select {
		case <-aborted:
		default:
			t.Error("Abort waits")
		}
		require.Equal(t, error(cause), <-sent)
	})
}
