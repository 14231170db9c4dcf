package websocket_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// outcome returns the next message, or how the connection ended.
func outcome(t *testing.T, conn *websocket.Conn, peer *raw) (string, *websocket.CloseError) {
	t.Helper()
	m, err := conn.In.Recv(peer.ctx)
	if err == nil {
		return m.String(), nil
	}
	var end *websocket.CloseError
	require.ErrorAs(t, err, &end)
	return "", end
}

// tooMuch requires the message to be rejected with code.
func tooMuch(t *testing.T, conn *websocket.Conn, peer *raw, code websocket.Code) {
	t.Helper()
	_, end := outcome(t, conn, peer)
	require.NotNil(t, end)
	require.Equal(t, code, end.Code)
	require.ErrorIs(t, end, websocket.ErrTooLarge)
	peer.expectClose(code)
}

func TestMaxReasonHoldsAtItsEdge(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		longest := strings.Repeat("r", websocket.MaxReason)
		require.ErrorIs(t, conn.CloseWith(4000, longest+"r"), websocket.ErrInvalidClose)
		closed := make(chan error, 1)
		go func() { closed <- conn.CloseWith(4000, longest) }()
		require.Equal(t, longest, peer.expectClose(4000))
		peer.send(closeFrame(4000, ""))
		peer.expectEnd()
		_ = peer.conn.Close()
		require.NoError(t, <-closed)
	})
}

// TestReasonsOfAPeerHoldToMaxReason sends a reason of that length, and a Close frame that is one byte longer.
func TestReasonsOfAPeerHoldToMaxReason(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		longest := strings.Repeat("r", websocket.MaxReason)
		peer.send(closeFrame(4000, longest))
		_, end := outcome(t, conn, peer)
		require.Equal(t, &websocket.CloseError{Code: 4000, Reason: longest}, end)

		conn, peer = newRaw(t, client, nil)
		head := []byte{0x88, websocket.MaxReason + 3}
		if peer.masks {
			head[1] |= 0x80
		}
		peer.write(head)
		_, end = outcome(t, conn, peer)
		require.Equal(t, websocket.ProtocolError, end.Code)
		peer.expectClose(websocket.ProtocolError)
	})
}

func TestDefaultMaxMessageHoldsAtItsEdge(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		largest := strings.Repeat("m", websocket.DefaultMaxMessage)
		sent := make(chan error, 1)
		go func() { sent <- peer.conn.Out.Send(peer.ctx, peer.bytes(text(largest))) }()
		got, _ := outcome(t, conn, peer)
		require.True(t, got == largest)
		require.NoError(t, <-sent)
		peer.write(peer.bytes(text(largest + "m"))[:14])
		tooMuch(t, conn, peer, websocket.TooBig)
	})
}

func TestMaxMessageAndMaxFrameHoldAtTheirEdges(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		cfg := &websocket.Config{MaxMessage: 20, MaxFrame: 10}
		five, ten := strings.Repeat("5", 5), strings.Repeat("a", 10)
		whole := []websocket.Frame{frame(more, websocket.OpText, ten), frame(fin, websocket.OpContinuation, ten)}
		for _, beyond := range [][]websocket.Frame{
			{text(ten + "a")},
			{frame(more, websocket.OpText, ten), frame(more, websocket.OpContinuation, ten), frame(fin, websocket.OpContinuation, "a")},
			{frame(more, websocket.OpText, five), frame(more, websocket.OpContinuation, ten), frame(fin, websocket.OpContinuation, five+"5")},
		} {
			conn, peer := newRaw(t, client, cfg)
			peer.send(whole...)
			got, end := outcome(t, conn, peer)
			require.Nil(t, end)
			require.Equal(t, ten+ten, got)
			peer.send(beyond...)
			tooMuch(t, conn, peer, websocket.TooBig)
		}
	})
}

// fragments sends a message in the given number of frames of one byte.
func fragments(peer *raw, n int) {
	var p []byte
	for i := range n {
		op := websocket.OpContinuation
		if i == 0 {
			op = websocket.OpText
		}
		p = append(p, peer.bytes(frame(i == n-1, op, "f"))...)
	}
	peer.write(p)
}

func TestMaxFragmentsAndDefaultMaxFragmentsHoldAtTheirEdges(t *testing.T) {
	for most, cfg := range map[int]*websocket.Config{websocket.DefaultMaxFragments: nil, 3: {MaxFragments: 3}} {
		roles(t, func(t *testing.T, client bool) {
			conn, peer := newRaw(t, client, cfg)
			fragments(peer, most)
			got, end := outcome(t, conn, peer)
			require.Nil(t, end)
			require.Equal(t, strings.Repeat("f", most), got)
			fragments(peer, most+1)
			tooMuch(t, conn, peer, websocket.PolicyViolation)
		})
	}
}

func TestCloseTimeoutIsWhatTheConfigSays(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		for _, d := range []time.Duration{time.Second, time.Minute} {
			conn, peer := newRaw(t, client, &websocket.Config{CloseTimeout: d, PingAfter: -1})
			began := time.Now()
			require.NoError(t, conn.Out.Close())
			_, err := conn.In.Recv(peer.ctx)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, d, time.Since(began))
			<-conn.Done()
		}
	})
}

func TestPingAfterAndPongWithinAreWhatTheConfigSays(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, &websocket.Config{PingAfter: 3 * time.Second, PongWithin: 2 * time.Second})
		began := time.Now()
		ended := make(chan error, 1)
		go func() {
			_, err := conn.In.Recv(context.Background())
			ended <- err
		}()
		require.Equal(t, websocket.OpPing, peer.next().Opcode)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(began))
		<-conn.Done()
	})
}
