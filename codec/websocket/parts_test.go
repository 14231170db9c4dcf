package websocket_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
)

// TestOneLargeMessageGoesThroughInPieces sends more than either side accepts as a whole message.
func TestOneLargeMessageGoesThroughInPieces(t *testing.T) {
	const size = 8 << 20
	client, server := newPair(t, nil, nil)
	ctx := within(t)
	for _, way := range [][2]*websocket.Conn{{client, server}, {server, client}} {
		sent := make(chan error, 1)
		go func() {
			out, err := way[0].SendParts(ctx, websocket.BinaryMessage)
			if err == nil {
				_, err = chanio.Transfer(ctx, chanio.FromReader(io.LimitReader(zeros{}, size)), out)
			}
			if err == nil {
				err = out.Close()
			}
			if err == nil {
				err = way[0].Out.Send(ctx, websocket.Text("behind it"))
			}
			sent <- err
		}()
		kind, parts, err := way[1].RecvParts(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, websocket.BinaryMessage, kind)
		total := 0
		for p := range parts.All(ctx) {
			if total > 0 { // the first has what was read ahead
				require.LessOrEqual(t, len(p), 32<<10)
			}
			require.LessOrEqual(t, len(p), 64<<10)
			total += len(p)
		}
		require.NoError(t, parts.Err())
		require.Equal(t, size, total)
		m, err := way[1].In.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "behind it", m.String())
		require.NoError(t, <-sent)
	}
}

// zeros is an endless reader of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestPartsThatAreClosedAreSkipped(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		peer.send(frame(more, websocket.OpText, "one "), frame(fin, websocket.OpPing, "p"), frame(more, websocket.OpContinuation, "two "))
		_, parts, err := conn.RecvParts(peer.ctx, 0)
		require.NoError(t, err)
		p, err := parts.Recv(peer.ctx)
		require.NoError(t, err)
		require.Equal(t, "one ", string(p))
		ctx, cancel := context.WithCancel(peer.ctx)
		cancel()
		_, err = parts.Recv(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, parts.Close())
		peer.send(frame(fin, websocket.OpContinuation, "three"), text("next"))
		m, err := conn.In.Recv(peer.ctx)
		require.NoError(t, err)
		require.Equal(t, "next", m.String())
		peer.expect(websocket.OpPong, "p")
	})
}

// TestPartsOfAMessageThatWasReadAheadInPart lets more than MaxMessage arrive before the receiver asks for parts.
func TestPartsOfAMessageThatWasReadAheadInPart(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		for _, first := range []int{10, 5000, 40_000} { // bytes of the first frame
			conn, peer := newRaw(t, client, &websocket.Config{MaxMessage: 30_000, PingAfter: -1})
			payload := strings.Repeat("0123456789", 20_000)
			sent := make(chan error, 1)
			go func() {
				p := append(peer.bytes(frame(more, websocket.OpText, payload[:first])), peer.bytes(frame(fin, websocket.OpContinuation, payload[first:]))...)
				sent <- peer.conn.Out.Send(peer.ctx, p)
			}()
			time.Sleep(time.Minute)
			_, parts, err := conn.RecvParts(peer.ctx, 0)
			require.NoError(t, err)
			p, err := chanio.ReadAll(peer.ctx, parts, 1<<20)
			require.NoError(t, err)
			require.True(t, payload == string(p))
			require.NoError(t, <-sent)
		}
	})
}

// TestTooLargeMessageThatWasReadAheadIsRefusedWhenItIsReceived does the same with a receiver of whole messages.
func TestTooLargeMessageThatWasReadAheadIsRefusedWhenItIsReceived(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, &websocket.Config{MaxMessage: 1000, PingAfter: -1})
		peer.send(text("fits"), frame(fin, websocket.OpBinary, strings.Repeat("x", 1001)))
		time.Sleep(time.Minute)
		require.NoError(t, conn.Out.Err())
		m, err := conn.In.Recv(peer.ctx)
		require.NoError(t, err)
		require.Equal(t, "fits", m.String())
		_, err = conn.In.Recv(peer.ctx)
		require.ErrorIs(t, err, codec.ErrTooLarge)
		peer.expectClose(1009)
	})
}

func TestPartsKeepTheRules(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		peer.send(frame(more, websocket.OpBinary, "12345"), frame(fin, websocket.OpContinuation, "6"))
		_, parts, err := conn.RecvParts(peer.ctx, 5)
		require.NoError(t, err)
		_, err = chanio.ReadAll(peer.ctx, parts, 100)
		var end *websocket.CloseError
		require.ErrorAs(t, err, &end)
		require.Equal(t, websocket.TooBig, end.Code)

		conn, peer = newRaw(t, client, nil)
		peer.send(frame(more, websocket.OpText, "\xe1"), frame(fin, websocket.OpContinuation, "x"))
		_, parts, err = conn.RecvParts(peer.ctx, 0)
		require.NoError(t, err)
		_, err = chanio.ReadAll(peer.ctx, parts, 100)
		require.ErrorAs(t, err, &end)
		require.Equal(t, websocket.InvalidData, end.Code)

		conn, peer = newRaw(t, client, nil)
		peer.send(frame(more, websocket.OpText, "half"))
		_, parts, err = conn.RecvParts(peer.ctx, 0)
		require.NoError(t, err)
		require.NoError(t, peer.conn.Out.Close())
		_, err = chanio.ReadAll(peer.ctx, parts, 100)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

func TestOtherMessagesWaitForOneInPartsAndControlFramesDoNot(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		out, err := conn.SendParts(peer.ctx, websocket.TextMessage)
		require.NoError(t, err)
		require.NoError(t, out.Send(peer.ctx, []byte("a\xe2")))
		ok, err := conn.Out.TrySend(websocket.Text("other"))
		require.NoError(t, err)
		require.False(t, ok)
		waiting := make(chan error, 1)
		go func() { waiting <- conn.Out.Send(peer.ctx, websocket.Text("other")) }()
		peer.send(frame(fin, websocket.OpPing, "p"))
		go func() { _, _ = conn.In.Recv(peer.ctx) }()
		f := peer.next()
		require.Equal(t, "a\xe2", string(f.Payload))
		require.False(t, f.Fin)
		peer.expect(websocket.OpPong, "p")
		require.Error(t, out.Send(peer.ctx, []byte("x")), "not UTF-8 behind what was sent")
		require.NoError(t, out.Send(peer.ctx, []byte("\x82\xac")))
		require.NoError(t, out.Close())
		require.NoError(t, <-waiting)
		f = peer.next()
		require.Equal(t, websocket.OpContinuation, f.Opcode)
		f = peer.next()
		require.True(t, f.Fin)
		require.Empty(t, f.Payload)
		peer.expect(websocket.OpText, "other")
		require.ErrorIs(t, out.Send(peer.ctx, []byte("x")), net.ErrClosed)
	})
}

func TestCompressedMessagesComeInPiecesToo(t *testing.T) {
	client, server := negotiated(t, &websocket.Deflate{}, &websocket.Deflate{}, "")
	ctx := within(t)
	for range 2 {
		require.NoError(t, client.Out.Send(ctx, websocket.Text(strings.Repeat("lots of text ", 50_000))))
		_, parts, err := server.RecvParts(ctx, 0)
		require.NoError(t, err)
		p, err := chanio.ReadAll(ctx, parts, 1<<20)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("lots of text ", 50_000), string(p))
	}
}

func TestLeasedMessagesAreReleasedOnce(t *testing.T) {
	client, server := newPair(t, nil, nil)
	ctx := within(t)
	done := make(chan error, 1)
	go func() {
		d := websocket.Leases(server)
		done <- pipeline.Connect(ctx, d.In, d.Out)
	}()
	payload := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	for range 50 {
		sent := make(chan error, 1)
		go func() { sent <- client.Out.Send(ctx, websocket.Binary(payload)) }()
		m, err := client.In.Recv(ctx)
		require.NoError(t, err)
		require.NoError(t, <-sent)
		require.True(t, bytes.Equal(payload, m.Data))
	}
	require.NoError(t, client.Close())
	require.NoError(t, <-done)

	client, server = newPair(t, nil, nil)
	require.NoError(t, client.Out.Send(ctx, websocket.Binary(payload[:20_000])))
	l, err := websocket.Leases(server).In.Recv(ctx)
	require.NoError(t, err)
	require.Len(t, l.Data, 20_000)
	l.Release()
	require.Panics(t, l.Release)
}

func TestLeasedMessageThatIsRefusedIsReleased(t *testing.T) {
	client, server := newPair(t, nil, nil)
	ctx := within(t)
	d := websocket.Leases(server)
	for _, send := range []func(websocket.Leased) error{
		func(l websocket.Leased) error { return d.Out.Send(ctx, l) },
		func(l websocket.Leased) error {
			ok, err := d.Out.TrySend(l)
			require.False(t, ok)
			return err
		},
	} {
		require.NoError(t, client.Out.Send(ctx, websocket.Binary(make([]byte, 20_000))))
		l, err := d.In.Recv(ctx)
		require.NoError(t, err)
		l.Kind = 3
		require.ErrorIs(t, send(l), websocket.ErrMessage)
		require.Panics(t, l.Release)
	}
}

func TestTypedMessagesOverJSONAndCodecs(t *testing.T) {
	type order struct{ ID int }
	client, server := newPair(t, nil, nil)
	ctx := within(t)
	a, b := websocket.JSON[order](client), websocket.JSON[order](server)
	require.NoError(t, a.Out.Send(ctx, order{7}))
	got, err := b.In.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, order{7}, got)
	require.NoError(t, client.Out.Send(ctx, websocket.Text("{")))
	_, err = b.In.Recv(ctx)
	var wrong *codec.Error
	require.ErrorAs(t, err, &wrong)
	_, err = a.In.Recv(ctx)
	require.Error(t, err)
	code, _, _ := client.CloseStatus()
	require.Equal(t, websocket.InvalidData, code)

	client, server = newPair(t, nil, nil)
	numbers := websocket.Typed(server, websocket.BinaryMessage, codec.Uint32)
	n, err := numbers.Out.SendAll(ctx, 1, 2, 3)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	m, err := client.In.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0, 0, 1}, m.Data)
	require.NoError(t, client.Out.Send(ctx, websocket.Text("text")))
	_, err = numbers.In.Recv(ctx)
	require.Error(t, err)
	for range 3 {
		_, err = client.In.Recv(ctx)
	}
	require.Error(t, err)
	code, _, _ = client.CloseStatus()
	require.Equal(t, websocket.UnsupportedData, code)
}

func TestBytesAreATunnel(t *testing.T) {
	client, server := newPair(t, nil, nil)
	ctx := within(t)
	far, near := websocket.Bytes(server), websocket.Bytes(client)
	done := make(chan error, 1)
	go func() { done <- pipeline.Connect(ctx, far.In, far.Out) }()
	lines := codec.Frame(near, codec.Lines)
	require.NoError(t, lines.Out.Send(ctx, strings.Repeat("a", 50_000)))
	require.NoError(t, lines.Out.Send(ctx, "b"))
	for _, want := range []int{50_000, 1} {
		line, err := lines.In.Recv(ctx)
		require.NoError(t, err)
		require.Len(t, line, want)
	}
	require.NoError(t, lines.Out.Close())
	_, err := lines.In.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, <-done)
	_ = lines.Close()
}
