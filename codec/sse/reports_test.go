package sse_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
)

// The tests in this file cover problems reported by users of similar libraries.

// A CR LF that comes in two chunks ends one line (rexxars/eventsource-parser 17).
func TestLineEndInTwoChunksIsOne(t *testing.T) {
	for _, chunks := range [][]string{
		{"data: A\r\n", "data: B\r", "\n", "data: C\r\n", "\r\n"},
		{"data: A\r\n", "data: B\r", "data: C\r\n", "\n"},
		{"data: A\r", "\ndata: B\r", "\n", "data: C\r", "\n\r", "\n"},
	} {
		var src [][]byte
		for _, chunk := range chunks {
			src = append(src, []byte(chunk))
		}
		events := sse.Decode(chanio.FromSlice(src), nil)
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "A\nB\nC", e.Data, "%q", chunks)
		_, err = events.Recv(t.Context())
		require.Error(t, err, "%q", chunks)
	}
}

// A line of more than 64 KiB is an event like others (docker/docker-agent 3883).
func TestLongLinesAreWhole(t *testing.T) {
	long := strings.Repeat("0123456789", 20_000)
	var src [][]byte
	for p := []byte("data: " + long + "\n\ndata: next\n\n"); len(p) > 0; p = p[min(len(p), 4000):] {
		src = append(src, p[:min(len(p), 4000)])
	}
	events := sse.Decode(chanio.FromSlice(src), nil)
	for _, want := range []string{long, "next"} {
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.True(t, want == e.Data)
	}
}

// A subscriber that receives nothing costs a place in the ring, however much is published (anomalyco/opencode 31923), and
// continues behind a mark.
func TestSubscriberThatReceivesNothingHoldsNothing(t *testing.T) {
	topic := sse.NewTopic(&sse.TopicConfig{Ring: 4})
	src := topic.Subscribe("")
	publish(t, topic, 0, 10_000)
	require.Equal(t, []string{"lost9996", "9996", "9997", "9998", "9999"}, receive(t, src, 5))
	require.NoError(t, src.Close())
	require.Zero(t, topic.Subscribers())
}
