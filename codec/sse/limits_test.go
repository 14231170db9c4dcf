package sse_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/sse"
)

// TestDefaultMaxEventHoldsAtItsEdge counts an event from its first byte to the empty line.
func TestDefaultMaxEventHoldsAtItsEdge(t *testing.T) {
	for max, c := range map[int]struct {
		codec codec.Codec[sse.Event]
		cfg   *sse.StreamConfig
	}{
		sse.DefaultMaxEvent: {sse.Events(0), nil},
		100:                 {sse.Events(100), &sse.StreamConfig{MaxEvent: 100}},
	} {
		largest := strings.Repeat("x", max-len("data: \n\n"))
		p, err := codec.Marshal(c.codec, sse.Event{Data: largest})
		require.NoError(t, err)
		require.Len(t, p, max)
		e, err := codec.Unmarshal(c.codec, p)
		require.NoError(t, err)
		require.True(t, e.Data == largest)
		e, err = sse.Decode(chanio.FromSlice([][]byte{p}), c.cfg).Recv(t.Context())
		require.NoError(t, err)
		require.True(t, e.Data == largest)

		_, err = codec.Marshal(c.codec, sse.Event{Data: largest + "x"})
		require.ErrorIs(t, err, codec.ErrTooLarge)
		for _, stream := range []string{"data: " + largest + "x\n\n", "data:" + largest + "\n:\n\n"} {
			require.Greater(t, len(stream), max)
			_, err = codec.Unmarshal(c.codec, []byte(stream))
			require.ErrorIs(t, err, codec.ErrTooLarge)
			_, err = sse.Decode(chanio.FromSlice([][]byte{[]byte(stream)}), c.cfg).Recv(t.Context())
			require.ErrorIs(t, err, codec.ErrTooLarge)
		}
	}
}

// TestCommentsHoldNothing has more heartbeats than an event may have bytes: with an empty line behind each, as this
// package sends them, and without. The codec of single events cannot drop what precedes an event, and limits it.
func TestCommentsHoldNothing(t *testing.T) {
	for _, heartbeat := range []string{":\n", ": alive\n\n", ":\r\n", ":\r\r", "\n", "retry: 5\n\n"} {
		var stream [][]byte
		for range 200 {
			stream = append(stream, []byte(heartbeat))
		}
		stream = append(stream, []byte("data: a\n\n"))
		e, err := sse.Decode(chanio.FromSlice(stream), &sse.StreamConfig{MaxEvent: 100}).Recv(t.Context())
		require.NoError(t, err, "%q", heartbeat)
		require.Equal(t, "a", e.Data)

		_, err = codec.Decode(chanio.FromSlice(stream), sse.Events(100)).Recv(t.Context())
		require.ErrorIs(t, err, codec.ErrTooLarge, "%q", heartbeat)
		e, err = codec.Decode(chanio.FromSlice(stream[190:]), sse.Events(100)).Recv(t.Context())
		require.NoError(t, err, "%q", heartbeat)
		require.Equal(t, "a", e.Data)
	}
}
