package websocket_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// TestCompressedMessagesShareNoMemory receives messages around the size of the memory in which they are uncompressed, and
// changes each before the next is received.
func TestCompressedMessagesShareNoMemory(t *testing.T) {
	client, server := negotiated(t, &websocket.Deflate{From: 1}, &websocket.Deflate{From: 1}, "")
	ctx := within(t)
	var before []websocket.Message
	for i, size := range []int{1, 1000, 8191, 8192, 8192, 8193, 8192, 70_000, 8192, 10} {
		want := strings.Repeat(string(rune('a'+i)), size)
		require.NoError(t, client.Out.Send(ctx, websocket.Text(want)))
		m, err := server.In.Recv(ctx)
		require.NoError(t, err)
		require.True(t, want == string(m.Data), size)
		for _, b := range before {
			require.Empty(t, strings.Trim(string(b.Data), "-"), "of an earlier message")
		}
		for j := range m.Data {
			m.Data[j] = '-'
		}
		before = append(before, m)
	}
}
