package websocket_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
)

// TestSmallMessagesCostFewAllocations counts the allocations of an echo, without those of the connection.
func TestSmallMessagesCostFewAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	roles(t, func(t *testing.T, client bool) {
		_, peer := newRaw(t, client, nil)
		chunk := []byte(strings.Repeat(string(peer.bytes(frame(fin, websocket.OpBinary, strings.Repeat("x", 64)))), 64))
		echo := func(chunks int) float64 {
			return testing.AllocsPerRun(5, func() {
				in := chanio.FromSeq(func(yield func([]byte) bool) {
					for range chunks {
						if !yield(chunk) {
							return
						}
					}
				})
				conn := websocket.NewConn(chanio.ConnOf(in, chanio.ToWriter(discard{}), nil), &websocket.Config{Client: client, PingAfter: -1})
				_ = pipeline.Connect(context.Background(), conn.In, conn.Out)
				conn.Abort(nil)
			})
		}
		each := (echo(200) - echo(100)) / (100 * 64)
		t.Logf("%.3f allocations for each message", each)
		require.Less(t, each, 0.3, "messages share an arena, and frames a buffer")
	})
}

func TestALargeMessageIsSentWithFewAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	near, far := chanio.Pipe()
	defer near.Abort(nil)
	defer far.Abort(nil)
	conn := websocket.NewConn(chanio.ConnOf(near.In, chanio.ToWriter(discard{}), nil), &websocket.Config{PingAfter: -1})
	defer conn.Abort(nil)
	m := websocket.Message{Kind: websocket.BinaryMessage, Data: make([]byte, 64<<10)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	each := testing.AllocsPerRun(100, func() { require.NoError(t, conn.Out.Send(ctx, m)) })
	require.LessOrEqual(t, each, 2.0, "nothing that a wait needs is made")
}
